using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Rotary positions in the kernel library.</summary>
/// <remarks>No <see cref="KernelFunction{TSelf, TOptions}"/>: that would keep the inputs until backward, which needs the angles alone.</remarks>
internal static unsafe class RotaryKernel
{
    private static readonly Kernel Kernel = new("rotary");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new RotaryArguments { Header = KernelHeader.Of<RotaryArguments>(door.Dtype) });

    /// <param name="x"><c>[B, T, H, D]</c>, contiguous.</param>
    /// <param name="cosines"><c>[T, D/2]</c> or <c>[B, T, D/2]</c>, float32, contiguous.</param>
    /// <param name="sines">Likewise.</param>
    /// <param name="direction">1, or -1 to turn back.</param>
    public static Tensor Run(Tensor x, Tensor cosines, Tensor sines, int direction)
    {
        Tensor y = torch.empty(x.shape, dtype: x.dtype, device: x.device);
        long heads = x.shape[2], features = x.shape[3];
        KernelTensor from = KernelTensor.Rows(KernelLibrary.Data(x), heads * features), to = KernelTensor.Rows(KernelLibrary.Data(y), heads * features);
        var args = new RotaryArguments
        {
            Header = KernelHeader.Of<RotaryArguments>(x.dtype),
            Rows = x.shape[0] * x.shape[1], Heads = heads, Features = features, Places = cosines.dim() == 2 ? cosines.shape[0] : cosines.shape[0] * cosines.shape[1],
            Cosines = KernelTensor.Rows(cosines), Sines = KernelTensor.Rows(sines),
        };
        if (direction > 0)
        {
            (args.X, args.Y) = (from, to);
            Kernel.Forward(args, y);
        }
        else
        {
            (args.GradY, args.GradX) = (from, to);
            Kernel.Backward(args, y);
        }

        GC.KeepAlive(x);
        GC.KeepAlive(cosines);
        GC.KeepAlive(sines);
        return y;
    }
}
