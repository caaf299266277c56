namespace Memory.Gen.Runtime.Files;

/// <summary>A file of tensors (state, weights, checkpoint) that cannot be written, or that is not what was asked for.</summary>
public sealed class MemoryFileException : IOException
{
    /// <summary>The file this is about.</summary>
    public string Path { get; }

    /// <param name="path">The file this is about.</param>
    /// <param name="problem">What was found, what was expected and what to do, as sentences.</param>
    /// <param name="inner">The error beneath, if there was one.</param>
    public MemoryFileException(string path, string problem, Exception? inner = null)
        : base($"{path}: {problem}", inner) => Path = path;
}
