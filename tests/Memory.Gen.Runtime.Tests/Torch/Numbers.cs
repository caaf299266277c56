using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>Tensors from and to plain arrays, in float64.</summary>
internal static class Numbers
{
    internal static Tensor Tensor(double[] values, params long[] shape) => tensor(values, dtype: float64).reshape(shape.Length == 0 ? [values.Length] : shape);

    internal static double[] Values(Tensor? values) => values!.detach().to(float64).cpu().contiguous().data<double>().ToArray();

    /// <summary>A fixed sequence without structure, in (-1, 1).</summary>
    internal static double[] Sequence(int count, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1)];
    }

    internal static void AssertClose(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double tolerance = 1e-12)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), $"Element {i}: expected {expected[i]:R}, got {actual[i]:R}.");
    }

    /// <summary>Runs something twice and asserts that the second time leaves as many tensors as it found.</summary>
    internal static void AssertLeavesNothing(Action action)
    {
        action();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        action();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }
}
