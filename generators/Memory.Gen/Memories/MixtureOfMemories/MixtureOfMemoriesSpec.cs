using System.Globalization;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Matrix memories side by side, and a router that sends each token to some of them.</summary>
/// <param name="Letter">Its letter in the pattern.</param>
/// <param name="FeedForward">Its own feed-forward width.</param>
/// <param name="Memories">Number of memories that tokens are routed to.</param>
/// <param name="TopK">How many of them a token is sent to.</param>
/// <param name="SharedMemory">Whether one more memory gets every token.</param>
/// <param name="SharedProjections">Whether keys, values and gates are projected once for all memories.</param>
/// <param name="BalanceLoss">Factor on the balance loss; 0 for none.</param>
/// <param name="Memory">What each memory is.</param>
public sealed record MixtureOfMemoriesSpec(
    char Letter,
    int? FeedForward,
    int Memories,
    int TopK,
    bool SharedMemory,
    bool SharedProjections,
    double BalanceLoss,
    LinearMemorySpec Memory)
    : MixerSpec(Letter, FeedForward)
{
    /// <inheritdoc/>
    /// <remarks>Without the balance loss, which changes neither weights nor numbers nor state.</remarks>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture,
        "mixture_of_memories memories={0} top_k={1} shared_memory={2} shared_projections={3} of {4}",
        Memories, TopK, SharedMemory, SharedProjections, Memory.Canonical);

    /// <summary>Whether every token is in every memory, so that there is no use to balance.</summary>
    internal bool IsDense => TopK == Memories;

    internal override MixerSpec Within(int window) => ((MixtureOfMemoriesSpec)base.Within(window)) with { Memory = (LinearMemorySpec)Memory.Within(window) };

    internal static MixtureOfMemoriesSpec Read(AttributeSpec attribute, int dim)
    {
        int memories = attribute.Int("Memories", absent: 4), topK = attribute.Int("TopK", absent: 2);
        return new MixtureOfMemoriesSpec(
            attribute.Letter,
            attribute.FeedForward,
            memories,
            topK,
            attribute.Bool("SharedMemory", absent: true),
            attribute.Bool("SharedProjections", absent: false),
            attribute.Double("BalanceLoss", absent: topK == memories ? 0 : 1e-3),
            LinearMemorySpec.Read(attribute, dim) with { Letter = '\0', FeedForward = null });
    }
}
