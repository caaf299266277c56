using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

internal static class Numbers
{
    /// <summary>max|a - b| / max(1, max|b|), in float64.</summary>
    public static double Error(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(b.shape, a.shape);
        if (b.numel() == 0)
            return 0;
        Tensor x = a.detach().to(ScalarType.Float64), y = b.detach().to(ScalarType.Float64);
        Assert.True(y.isfinite().all().item<bool>());
        return (x - y).abs().max().item<double>() / Math.Max(1, y.abs().max().item<double>());
    }

    public static void Near(Tensor expected, Tensor actual, double limit, string what)
    {
        double error = Error(actual, expected);
        Assert.True(error <= limit, $"{what}: error {error:g3} above {limit:g1}");
    }

    public static void Near(MemoryState expected, MemoryState actual, double limit, string what)
    {
        Near(expected.Positions, actual.Positions, 0, $"{what}, positions");
        foreach (var (a, b) in expected.Tensors.Zip(actual.Tensors))
            Near(Finite(a.Value), Finite(b.Value), limit, $"{what}, {a.Name}");
    }

    /// <summary>The gradients of all inputs, from the same gradient of both outputs.</summary>
    public static void NearGradients(Tensor expected, Tensor actual, (string Name, Tensor Value)[] inputs, Tensor upstream, double limit)
    {
        Tensor[] values = [.. inputs.Select(i => i.Value)];
        var wanted = autograd.grad([expected], values, [upstream], retain_graph: true);
        var found = autograd.grad([actual], values, [upstream]);
        for (int i = 0; i < inputs.Length; i++)
            Near(wanted[i], found[i], limit, $"gradient of {inputs[i].Name}");
    }

    /// <summary>With 1 and -1 for infinities: a score that is kept may be infinite, but then in both.</summary>
    public static Tensor Finite(Tensor value) => value.is_floating_point() ? value.masked_fill(value.isposinf(), 1).masked_fill(value.isneginf(), -1) : value;

    /// <summary>Random lengths, 0 and 1 among them, that add up to <paramref name="total"/>.</summary>
    public static IReadOnlyList<long> Split(long total, Random random)
    {
        var pieces = new List<long>();
        for (long left = total; left > 0;)
        {
            long length = random.Next(4) switch { 0 => 1, 1 => random.Next(3), 2 => random.Next(8), _ => random.Next(1, 40) };
            pieces.Add(Math.Min(length, left));
            left -= pieces[^1];
        }
        return pieces;
    }
}
