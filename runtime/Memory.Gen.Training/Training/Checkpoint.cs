using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training.Tokenizers;
using static TorchSharp.torch;

namespace Memory.Gen.Training;

/// <summary>One saved moment of a run: a folder whose files have been checked against their digests.</summary>
public sealed class Checkpoint
{
    internal const string Weights = "model.safetensors", Optimizer = "optimizer.safetensors", Memory = "memory.safetensors";

    private Checkpoint(string path, (TrainingSnapshot Snapshot, string ModelDigest) manifest)
    {
        Path = path;
        (Snapshot, ModelDigest) = manifest;
    }

    /// <summary>The checkpoint's folder.</summary>
    public string Path { get; }

    /// <summary>The run, beside its tensors.</summary>
    public TrainingSnapshot Snapshot { get; }

    /// <summary>SHA-256 of the weights and the tokenizer: the same wherever the checkpoint lies, another one after every further step.</summary>
    public string ModelDigest { get; }

    /// <summary>Opens a checkpoint and compares every file with its digest.</summary>
    /// <param name="path">A checkpoint's folder.</param>
    /// <exception cref="MemoryFileException">It is no checkpoint, not whole, or was altered; the message names the file.</exception>
    public static Checkpoint Open(string path) => new(path, CheckpointManifest.Read(path));

    /// <summary>The tokenizer of the run.</summary>
    public ITokenizer LoadTokenizer() => VocabularyFiles.Read(Path);

    /// <summary>Gives a model the weights of the checkpoint.</summary>
    /// <param name="model">A model of the class and declaration that was trained.</param>
    /// <exception cref="MemoryFileException">The checkpoint is of another model.</exception>
    public void LoadWeights(IMemoryModel model)
    {
        Require(model);
        ((nn.Module)model).LoadWeights(File(Weights));
    }

    internal void Require(IMemoryModel model)
    {
        string name = model.GetType().Name;
        if (Snapshot.Model != name)
            throw new MemoryFileException(Path, $"is a checkpoint of {Snapshot.Model}, not of {name}; choose that model or another checkpoint.");
        if (Snapshot.Declaration != model.Declaration)
            throw new MemoryFileException(Path, $"was saved when {name} was declared otherwise; restore that declaration or train again.");
    }

    /// <summary>Gives a model with a recall the weights of this checkpoint, which its declaration with <c>Recall = false</c> has saved.</summary>
    /// <param name="model">A model with <c>[HierarchicalMemory]</c>.</param>
    /// <exception cref="MemoryFileException">The checkpoint is of another model, or damaged.</exception>
    public void LoadFirstStage(IMemoryModel model) => ((nn.Module)model).LoadFirstStage(File(Weights));

    internal string File(string name) => System.IO.Path.Combine(Path, name);
}
