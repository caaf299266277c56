using Memory.Gen.Runtime.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>The two stages in which a hierarchical memory is trained (arXiv 2405.06067): first without a recall, then with one.</summary>
public static class TrainingStages
{
    private const string Prompt = "summary_prompt";

    // What a declaration with a recall has beyond the same one with Recall = false.
    private static readonly string[] Recall = ["recall_key.weight", "recall_query.weight", Prompt];

    /// <summary>
    /// Begins the second stage: takes over the weights of the same declaration with <c>Recall = false</c>. What recalls stays
    /// fresh; the rows around a summary are drawn anew, with the deviation of the embedding that was learned.
    /// </summary>
    /// <param name="module">A model with <c>[HierarchicalMemory]</c> and a recall; left as it was when the file does not fit.</param>
    /// <param name="path">Weights that the first stage's model saved.</param>
    /// <exception cref="Files.MemoryFileException">They cannot be read, are damaged, or do not fit; the message lists the names.</exception>
    public static void LoadFirstStage(this nn.Module module, string path)
    {
        module.LoadWeights(path, Recall);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor embedding = module.get_parameter("embedding.weight")!, prompt = module.get_parameter(Prompt)!;
        double deviation = (embedding - embedding.mean()).to(ScalarType.Float64).square().mean().sqrt().item<double>();
        prompt.copy_(Initialize.Normal(prompt.shape, deviation));
    }
}
