using Memory.Gen.Runtime.Files;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>A module's parameters and buffers as a safetensors file, under the names of its state_dict.</summary>
public static class Weights
{
    private const int MostNames = 10;

    /// <summary>Writes all parameters and buffers; the file is whole or not there.</summary>
    /// <param name="module">Any module.</param>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="metadata">Strings to keep beside the tensors.</param>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    /// <exception cref="InvalidOperationException">The module has none: it was disposed, or never registered them. What was saved before stays.</exception>
    /// <exception cref="ArgumentException">A string of the metadata is null.</exception>
    public static void SaveWeights(this nn.Module module, string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var weights = Of(module);
        var all = new Dictionary<string, string> { ["format"] = "memory-gen-weights", ["version"] = "1", ["model"] = module.GetType().Name };
        if (module is IMemoryModel model)
            all["declaration"] = model.Declaration;
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
            all[key] = value;
        SafetensorsFile.Write(path, weights, all);
    }

    /// <summary>Reads parameters and buffers from a file, converting to the module's element type and device.</summary>
    /// <remarks>
    /// Names and shapes are compared, declarations are not, so that a model can go on with another <c>Window</c>, for instance. Some options
    /// that give the same weights another meaning, as a number of heads, are not noticed.
    /// </remarks>
    /// <param name="module">Any module; left as it was when the file does not fit or is damaged.</param>
    /// <param name="path">A safetensors file; one with a digest is checked against it.</param>
    /// <param name="strict">Whether the names must be the same on both sides; shapes always must.</param>
    /// <returns>Names that only the module has, and names that only the file has; both empty when strict.</returns>
    /// <exception cref="MemoryFileException">It cannot be read, is damaged, or does not fit; the message lists the names.</exception>
    /// <exception cref="InvalidOperationException">The module has no weights: it was disposed, or never registered them.</exception>
    public static (IReadOnlyList<string> Missing, IReadOnlyList<string> Unexpected) LoadWeights(this nn.Module module, string path, bool strict = true) =>
        Load(module, path, strict, []);

    /// <summary>The same for a module that has grown since the weights were saved.</summary>
    /// <param name="module">Any module; left as it was when the file does not fit or is damaged.</param>
    /// <param name="path">A safetensors file.</param>
    /// <param name="added">Names that the module has and the file lacks; all others must be the same on both sides.</param>
    /// <exception cref="MemoryFileException">It cannot be read, is damaged, or does not fit; the message lists the names.</exception>
    /// <exception cref="InvalidOperationException">The module has no weights: it was disposed, or never registered them.</exception>
    public static void LoadWeights(this nn.Module module, string path, IReadOnlyCollection<string> added) => Load(module, path, true, added);

    private static (IReadOnlyList<string> Missing, IReadOnlyList<string> Unexpected) Load(nn.Module module, string path, bool strict, IReadOnlyCollection<string> added)
    {
        var targets = Of(module);
        using var file = SafetensorsFile.Open(path);
        if (file.Metadata.GetValueOrDefault("format") == StateFile.Format)
            throw new MemoryFileException(path, $"is what a model remembers of a text and holds no weights. Choose a file that SaveWeights wrote, or read this one with LoadState.");
        var missing = targets.Keys.Where(n => !file.Entries.ContainsKey(n) && !added.Contains(n)).Order(StringComparer.Ordinal).ToList();
        var unexpected = file.Names.Where(n => !targets.ContainsKey(n) || added.Contains(n)).Order(StringComparer.Ordinal).ToList();
        var shared = targets.Where(t => file.Entries.ContainsKey(t.Key)).ToList();
        var mismatched = shared.Where(t => !t.Value.shape.SequenceEqual(file.Entries[t.Key].Shape))
            .Select(t => $"{t.Key} is [{string.Join(", ", file.Entries[t.Key].Shape)}] and should be [{string.Join(", ", t.Value.shape)}]").ToList();
        if (mismatched.Count > 0 || strict && missing.Count + unexpected.Count > 0)
            throw new MemoryFileException(path, $"does not fit {module.GetType().Name}.{List("Missing", missing)}{List("Unexpected", unexpected)}"
                + $"{List("Of another shape", mismatched)} Choose the weights of this model, or declare the model as it was when they were saved.");
        if (file.HasDigest)
            file.Verify();

        using var quiet = no_grad();
        foreach (var (name, target) in shared)
        {
            using Tensor value = file.Read(name);
            target.copy_(value);
        }
        return (missing, unexpected);
    }

    // A module without any is a mistake that would write an empty file over a good one.
    private static Dictionary<string, Tensor> Of(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        var weights = module.state_dict();
        if (weights.Count == 0 || weights.Values.Any(weight => weight.IsInvalid))
            throw new InvalidOperationException($"{module.GetType().Name} has no weights: it was disposed, or its constructor did not call RegisterComponents.");
        return weights;
    }

    private static string List(string what, IReadOnlyList<string> names) => names.Count == 0 ? ""
        : $" {what}: {string.Join("; ", names.Take(MostNames))}{(names.Count > MostNames ? $"; and {names.Count - MostNames} more" : "")}.";
}
