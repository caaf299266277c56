using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// Log decays that no token sets, one number a head: of <c>[B, T, H]</c>, as <see cref="ScalarDecay"/> takes it, H numbers lie in memory.
/// </summary>
public static class FixedDecay
{
    /// <summary>Those of a retention, g_h = ln(1 - 2^(-5-h)): the first head keeps 31/32 at every token, each further one twice as long.</summary>
    /// <remarks>Sun et al.: Retentive Network (arXiv 2307.08621), section 2.2.</remarks>
    /// <param name="q">What the memory reads, <c>[B, T, H, K]</c>: tells sizes, dtype and device.</param>
    /// <returns><c>[B, T, H]</c>, below 0, float32 or wider.</returns>
    /// <exception cref="ArgumentException">It has not four axes.</exception>
    public static Tensor RetNet(Tensor q) => ForTokens(q, Retention, Retention);

    /// <summary>Those of Lightning Attention, g_h = -(8/H) (1 - depth) h: the first head keeps everything, and deeper layers keep more.</summary>
    /// <remarks>Qin et al.: TransNormerLLM (arXiv 2307.14995), section 3.1; Lightning Attention-2 (arXiv 2401.04658).</remarks>
    /// <param name="q">What the memory reads, <c>[B, T, H, K]</c>: tells sizes, dtype and device.</param>
    /// <param name="depth">Share of the model's layers that stand before this one, l / L: 0 for the first, below 1.</param>
    /// <returns><c>[B, T, H]</c>, at most 0, float32 or wider.</returns>
    /// <exception cref="ArgumentException"><paramref name="q"/> has not four axes.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="depth"/> is not from 0 to 1.</exception>
    public static Tensor Lightning(Tensor q, double depth)
    {
        if (!(depth >= 0 && depth <= 1)) throw new ArgumentOutOfRangeException(nameof(depth), depth, $"fixed_decay: depth is {depth}; expected 0 to 1.");
        double last = -8 * (1 - depth);
        return ForTokens(q, h => last * h / q.shape[2], h => h * last / q.shape[2]);
    }

    internal static double Retention(int h) => Math.Log(1 - Math.Pow(2, -5 - h));

    internal static Tensor Retention(Tensor h) => (1 - (-5 - h).exp2()).log();

    // On the CPU one loop beats a handful of tensor operations; elsewhere they spare a copy that the host would wait for.
    private static unsafe Tensor ForTokens(Tensor q, Func<int, double> one, Func<Tensor, Tensor> all)
    {
        FrontDoor.Required("fixed_decay", nameof(q), q);
        if (q.shape is not [var B, var T, var H, _])
            throw new ArgumentException($"fixed_decay: q has shape [{string.Join(", ", q.shape)}]; expected [B, T, H, K].", nameof(q));
        using var scope = NewDisposeScope();
        Tensor g;
        if (q.device_type == DeviceType.CPU)
        {
            g = torch.empty([H], dtype: ScalarType.Float64, device: CPU);
            double* to = (double*)KernelLibrary.Data(g);
            for (int h = 0; h < H; h++) to[h] = one(h);
        }
        else
        {
            g = all(arange(H, dtype: ScalarType.Float64, device: q.device));
        }

        Tensor everywhere = g.to(q.dtype.Wide()).expand(B, T, H);
        // A decoded token: what is contiguous goes the shortest way into the kernel.
        return (T == 1 ? everywhere.contiguous() : everywhere).MoveToOuterDisposeScope();
    }
}
