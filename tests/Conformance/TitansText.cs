using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Operators;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Conformance;

/// <summary>A text that a Titans memory reads token by token, as a model that generates does.</summary>
internal sealed class TitansText : MemoryState
{
    private readonly TitansBlocks blocks;

    public TitansText(long batch, long heads, long[] widths, int block, Device device, ScalarType dtype) : base("Titans", "", batch, device, dtype) =>
        blocks = new TitansBlocks(new Layer(this), "memory", heads, widths, block);

    /// <summary>Reads one token.</summary>
    /// <param name="token">q, k, v, theta, eta and alpha, <c>[B, 1, H, ...]</c>.</param>
    /// <param name="weights">What the text begins with.</param>
    /// <param name="momenta">Their momenta.</param>
    /// <param name="target">What forgetting leads to; null for zeros.</param>
    /// <param name="rule">Its block is this state's.</param>
    /// <returns>What the token read.</returns>
    public Tensor Read(Tensor[] token, Tensor[] weights, Tensor[] momenta, Tensor[]? target, TitansOptions rule)
    {
        using var step = Begin(token[0].size(0), 1);
        Tensor output = blocks.Read(token[0], token[1], token[2], token[3], token[4], token[5], weights, momenta, rule, target);
        step.Commit();
        return output;
    }

    private sealed class Layer(MemoryState owner) : LayerState(owner, "layer");
}
