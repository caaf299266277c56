using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The log decay of every head, or of every key channel, g = -e^a softplus(x + b): at most 0, and about -e^a e^(x + b) where that is small.</summary>
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
        if (KernelLibrary.TakesDirectly(x, rate, bias) && Fits(x, bias) && rate.Has(bias.size(0))) return Few(x, rate, bias, x.Sizes());
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, LastAxis.Names(Name, x, 'H'));
        door.Gate(nameof(rate), rate, "H");
        door.Gate(nameof(bias), bias, "H");
        using var scope = NewDisposeScope();
        return (-rate.to(door.Accumulation).exp() * Softplus.Apply(x, bias)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The logarithm of a decay that is never below <paramref name="least"/>: g = ln(least + (1 - least) sigmoid(x)), at most 0, also
    /// where the sigmoid rounds to 0 or 1.
    /// </summary>
    /// <remarks>Qin et al.: HGRN2 (arXiv 2404.07904), section 3.</remarks>
    /// <param name="x">Any shape.</param>
    /// <param name="least">From 0 to below 1.</param>
    /// <returns>The shape of <paramref name="x"/>, float32 or wider.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="least"/> is outside its range.</exception>
    public static Tensor Sigmoid(Tensor x, double least)
    {
        FrontDoor.Required(Name, nameof(x), x);
        if (!(least >= 0 && least < 1)) throw new ArgumentOutOfRangeException(nameof(least), least, $"{Name}: least is {least}; expected 0 to below 1.");
        using var scope = NewDisposeScope();
        Tensor wide = x.to(x.dtype.Wide()), decay = wide.log_sigmoid();
        // least + (1 - least) sigmoid(x) = sigmoid(x) (1 + least e^-x) = sigmoid(x) / sigmoid(x - ln(least)): also near 1, where a sum would round to it.
        if (least > 0) decay = decay - (wide - Math.Log(least)).log_sigmoid();
        return decay.MoveToOuterDisposeScope();
    }

    /// <summary>As <see cref="Apply"/>, for the key channels of every head: one rate a head, one bias a channel.</summary>
    /// <param name="x"><c>[..., H*K]</c>, one axis to nine.</param>
    /// <param name="rate">a, the logarithm of each head's rate, <c>[H]</c>; in the dtype of <paramref name="x"/>, or float32 or wider.</param>
    /// <param name="bias">b, <c>[H*K]</c>, likewise.</param>
    /// <returns><c>[..., H, K]</c>, float32 or wider.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Channels(Tensor x, Tensor rate, Tensor bias)
    {
        if (KernelLibrary.TakesDirectly(x, rate, bias) && Fits(x, bias) && rate.dim() == 1 && rate.size(0) is > 0 and var few && bias.size(0) % few == 0)
        {
            return Few(x, rate, bias, [.. x.Sizes()[..^1], few, bias.size(0) / few]);
        }

        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, LastAxis.Names(Name, x, 'J'));
        door.Gate(nameof(rate), rate, "H");
        door.Gate(nameof(bias), bias, "J");
        long heads = door['H'], features = door['J'];
        if (heads == 0 || features % heads != 0)
        {
            throw new ArgumentException($"{Name}: rate has shape [{heads}]; expected a divisor of {features}, the features of x.", nameof(rate));
        }

        using var scope = NewDisposeScope();
        Tensor steps = Softplus.Apply(x, bias).view([.. x.shape[..^1], heads, features / heads]);
        return (-rate.to(door.Accumulation).exp().unsqueeze(1) * steps).MoveToOuterDisposeScope();
    }

    private static bool Fits(Tensor x, Tensor bias)
    {
        long axes = x.dim(), features = axes > 0 ? x.size(-1) : 0;
        return axes is > 0 and <= LastAxis.MostAxes && features > 0 && x.numel() <= FewNumbers && bias.Has(features);
    }

    private static unsafe Tensor Few(Tensor x, Tensor rate, Tensor bias, long[] shape)
    {
        Tensor y = torch.empty(shape, dtype: ScalarType.Float32, device: CPU);
        float* from = (float*)KernelLibrary.Data(x), to = (float*)KernelLibrary.Data(y), a = (float*)KernelLibrary.Data(rate), b = (float*)KernelLibrary.Data(bias);
        int features = (int)bias.numel(), keys = features / (int)rate.numel(), count = (int)x.numel();
        for (int i = 0; i < count; i++)
        {
            double z = (double)from[i] + b[i % features], small = Math.Exp(-Math.Abs(z));
            // 1 + small would lose what the logarithm of it is.
            to[i] = (float)(-Math.Exp(a[i % features / keys]) * (Math.Max(z, 0) + (small < 1e-8 ? small : Math.Log(1 + small))));
        }

        GC.KeepAlive(x);
        GC.KeepAlive(rate);
        GC.KeepAlive(bias);
        return y;
    }
}
