using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The log decay of every head, g = -e^a softplus(x + b): at most 0, and about -e^a e^(x + b) where that is small.</summary>
/// <remarks>Gu, Dao: Mamba (arXiv 2312.00752), section 3.5: a step size softplus(x + b) at a rate e^a.</remarks>
public static class LogDecay
{
    private const string Name = "log_decay";

    // Numbers up to which one loop on the calling thread beats five tensor operations.
    private const long FewNumbers = 256;

    /// <param name="x"><c>[..., H]</c>, one axis to nine.</param>
    /// <param name="rate">a, the logarithm of each head's rate, <c>[H]</c>; in the dtype of <paramref name="x"/>, or float32 or wider.</param>
    /// <param name="bias">b, <c>[H]</c>, likewise.</param>
    /// <returns>The shape of <paramref name="x"/>, float32 or wider: every later token multiplies what is rounded here again.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Apply(Tensor x, Tensor rate, Tensor bias)
    {
        if (KernelLibrary.TakesDirectly(x, rate, bias) && Fits(x, rate, bias)) return Few(x, rate, bias);
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, LastAxis.Names(Name, x, 'H'));
        door.Gate(nameof(rate), rate, "H");
        door.Gate(nameof(bias), bias, "H");
        using var scope = NewDisposeScope();
        Tensor Wide(Tensor of) => of.to(door.Accumulation);
        return (-Wide(rate).exp() * nn.functional.softplus(Wide(x) + Wide(bias))).MoveToOuterDisposeScope();
    }

    private static bool Fits(Tensor x, Tensor rate, Tensor bias)
    {
        long axes = x.dim(), heads = axes > 0 ? x.size(-1) : 0;
        return axes is > 0 and <= LastAxis.MostAxes && heads > 0 && x.numel() <= FewNumbers && rate.Has(heads) && bias.Has(heads);
    }

    private static unsafe Tensor Few(Tensor x, Tensor rate, Tensor bias)
    {
        Tensor y = torch.empty(x.Sizes(), dtype: ScalarType.Float32, device: CPU);
        float* from = (float*)KernelLibrary.Data(x), to = (float*)KernelLibrary.Data(y), a = (float*)KernelLibrary.Data(rate), b = (float*)KernelLibrary.Data(bias);
        int heads = (int)rate.numel(), count = (int)x.numel();
        for (int i = 0; i < count; i++)
        {
            double z = (double)from[i] + b[i % heads], small = Math.Exp(-Math.Abs(z));
            // 1 + small would lose what the logarithm of it is.
            to[i] = (float)(-Math.Exp(a[i % heads]) * (Math.Max(z, 0) + (small < 1e-8 ? small : Math.Log(1 + small))));
        }

        GC.KeepAlive(x);
        GC.KeepAlive(rate);
        GC.KeepAlive(bias);
        return y;
    }
}
