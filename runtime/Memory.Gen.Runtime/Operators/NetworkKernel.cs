using System.Buffers;
using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>A SwiGLU network of few rows, as in decoding: three calls of the kernel library with a buffer between them, and no tensor but the result.</summary>
internal static unsafe class NetworkKernel
{
    // Rows times hidden features, so that what lies between the calls stays in the second-level cache.
    private const long MostHidden = 1 << 16;

    private static readonly Kernel Linear = new("linear"), SwiGlu = new("swiglu");

    /// <summary><c>[..., out]</c>; null for a call of another kind, or one whose arguments do not fit.</summary>
    public static Tensor? Run(Tensor x, Linear gate, Linear up, Linear down)
    {
        if (gate.bias is not null || up.bias is not null || down.bias is not null) return null;
        if (!KernelLibrary.TakesDirectly(x, gate.weight!, up.weight!, down.weight!)) return null;
        long[] shape = x.Sizes(), inner = gate.weight!.Sizes(), outer = down.weight!.Sizes();
        if (shape.Length is 0 or > LastAxis.MostAxes || inner.Length != 2 || outer.Length != 2 || shape[^1] != inner[1] || !up.weight!.Has(inner) || outer[1] != inner[0]) return null;
        long rows = inner[1] > 0 ? x.numel() / inner[1] : 0, hidden = inner[0];
        if (rows == 0 || rows * hidden > MostHidden || !OperatorForms.TakesKernel("linear") || !OperatorForms.TakesKernel("swiglu")) return null;

        shape[^1] = outer[0];
        Tensor y = torch.empty(shape, dtype: ScalarType.Float32, device: CPU);
        float[] buffer = ArrayPool<float>.Shared.Rent((int)(2 * rows * hidden));
        fixed (float* gates = buffer)
        {
            LinearArguments first = Map(rows, inner[1], KernelTensor.Contiguous(x, 0, inner[1]));
            first.Count = 2;
            first.OutFeatures[0] = first.OutFeatures[1] = hidden;
            (first.Weights[0], first.Weights[1]) = (KernelTensor.Contiguous(gate.weight, inner), KernelTensor.Contiguous(up.weight, inner));
            (first.Y[0], first.Y[1]) = (KernelTensor.Rows(gates, hidden), KernelTensor.Rows(gates + (rows * hidden), hidden));
            Run(Linear, first);
            Run(SwiGlu, new SwiGluArguments { Header = KernelHeader.Of<SwiGluArguments>(ScalarType.Float32), Rows = rows, Features = hidden, Gate = first.Y[0], Up = first.Y[1], Y = first.Y[0] });
            LinearArguments last = Map(rows, hidden, first.Y[0]);
            last.Count = 1;
            last.OutFeatures[0] = outer[0];
            (last.Weights[0], last.Y[0]) = (KernelTensor.Contiguous(down.weight, outer), KernelTensor.Contiguous(y, 0, outer[0]));
            Run(Linear, last);
        }

        ArrayPool<float>.Shared.Return(buffer);
        GC.KeepAlive(x);
        GC.KeepAlive(gate);
        GC.KeepAlive(up);
        GC.KeepAlive(down);
        return y;
    }

    private static void Run<TArgs>(Kernel kernel, in TArgs args) where TArgs : unmanaged
    {
        if (!kernel.Serves(args, out long workspace)) throw new InvalidOperationException($"The kernel library does not serve a network: {KernelLibrary.Cpu.LastError()}");
        kernel.Run(args, workspace);
    }

    private static LinearArguments Map(long rows, long features, KernelTensor x) =>
        new() { Header = KernelHeader.Of<LinearArguments>(ScalarType.Float32), Rows = rows, InFeatures = features, X = x };
}
