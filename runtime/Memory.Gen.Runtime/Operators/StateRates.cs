using System.Numerics;
using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The rates of a diagonal state space, A = -e^a: the log decay of every state at a step of size 1.</summary>
/// <remarks>Gu et al.: S4D (arXiv 2206.11893); Gu, Dao: Mamba (arXiv 2312.00752), section 3.6. Their a is called <c>A_log</c>.</remarks>
public static class StateRates
{
    private const string Name = "state_rates";

    /// <param name="rate">a, the logarithms, channel by channel, <c>[C*N]</c>.</param>
    /// <param name="channels">C, at least 1.</param>
    /// <param name="states">N, states a channel, at least 1.</param>
    /// <returns>A, <c>[C, N]</c>, at most 0, float32 or wider: every token multiplies what is rounded here again.</returns>
    /// <exception cref="ArgumentException">The logarithms have the wrong rank, number or dtype.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public static Tensor Apply(Tensor rate, long channels, long states)
    {
        if (channels > 0 && states > 0 && KernelLibrary.TakesDirectly(rate) && rate.Has(channels * states)) return OnThisThread(rate, channels, states);
        var door = new FrontDoor(Name);
        door.Positive(nameof(channels), channels);
        door.Positive(nameof(states), states);
        door.Bind('R', channels * states, "channels * states");
        door.Value(nameof(rate), rate, "R");
        using var scope = NewDisposeScope();
        return (-rate.to(door.Accumulation).exp()).view(channels, states).MoveToOuterDisposeScope();
    }

    // For as few numbers as 2,048 torch wakes its threads, which then spin for a while beside the kernels' own: twice a layer and decoded token.
    private static unsafe Tensor OnThisThread(Tensor rate, long channels, long states)
    {
        Tensor rates = torch.empty([channels, states], dtype: ScalarType.Float32, device: CPU);
        float* from = (float*)KernelLibrary.Data(rate), to = (float*)KernelLibrary.Data(rates);
        long count = channels * states, i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count) (-Vector.Exp(Vector.Load(from + i))).Store(to + i);
        for (; i < count; i++) to[i] = -MathF.Exp(from[i]);
        GC.KeepAlive(rate);
        return rates;
    }
}
