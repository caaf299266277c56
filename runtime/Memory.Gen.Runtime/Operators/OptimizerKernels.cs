using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>One parameter's part of an AdamW step; all four are changed or read in place and have the same shape.</summary>
/// <param name="Value">The parameter.</param>
/// <param name="Gradient">Its gradient.</param>
/// <param name="FirstMoment">Running mean of the gradient.</param>
/// <param name="SecondMoment">Running mean of its square.</param>
/// <param name="WeightDecay">Decoupled decay, at least 0.</param>
public readonly record struct AdamWTensor(Tensor Value, Tensor Gradient, Tensor FirstMoment, Tensor SecondMoment, double WeightDecay);

/// <summary>The numbers of an AdamW step (Loshchilov and Hutter: Decoupled Weight Decay Regularization, arXiv 1711.05101).</summary>
/// <param name="LearningRate">Step size.</param>
/// <param name="Beta1">Decay of the first moment, in [0, 1).</param>
/// <param name="Beta2">Decay of the second moment, in [0, 1).</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="GradientScale">Factor on the gradients.</param>
/// <param name="Step">This step, counted from 1.</param>
public readonly record struct AdamWNumbers(double LearningRate, double Beta1, double Beta2, double Epsilon, double GradientScale, long Step);

/// <summary>What an optimizer does to many tensors at once, in one call of the kernel library instead of several for every tensor.</summary>
public static unsafe class OptimizerKernels
{
    private static readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> Step =
        (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)KernelLibrary.Cpu.Export("memgen_adamw_step");
    private static readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> SquaredNorm =
        (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)KernelLibrary.Cpu.Export("memgen_squared_norm");
    private static readonly delegate* unmanaged[Cdecl]<void*, long> StepWorkspace =
        (delegate* unmanaged[Cdecl]<void*, long>)KernelLibrary.Cpu.Export("memgen_adamw_workspace_size");
    private static readonly delegate* unmanaged[Cdecl]<void*, long> SquaredNormWorkspace =
        (delegate* unmanaged[Cdecl]<void*, long>)KernelLibrary.Cpu.Export("memgen_squared_norm_workspace_size");

    /// <summary>Whether these parameters are stepped here; <c>MEMORY_GEN_FORM</c> decides as for operators.</summary>
    /// <param name="parameters">Parameters, or tensors of their kind.</param>
    /// <returns>False where torch's own operations have to do it.</returns>
    /// <exception cref="NotSupportedException">The form Native is forced and cannot be had.</exception>
    public static bool Serve(IReadOnlyList<Tensor> parameters) =>
        OperatorForms.Choose("adamw", null, () => Refusal(parameters)) == OperatorForm.Native;

    /// <summary>Euclidean norm over all elements of all tensors, summed in float64; the same bits for any number of threads.</summary>
    /// <param name="tensors">Float32 tensors on the CPU.</param>
    public static double Norm(IReadOnlyList<Tensor> tensors)
    {
        if (tensors.Count == 0) return 0;
        Tensor[] dense = [.. tensors.Select(each => each.contiguous())];
        double result = 0;
        fixed (long* sizes = Sizes(dense))
        fixed (nint* data = Addresses(dense))
        {
            var args = new SquaredNormArguments
            {
                Header = KernelHeader.Of<SquaredNormArguments>(ScalarType.Float32), Count = dense.Length, Sizes = sizes, Data = (float**)data, Result = &result,
            };
            Call(SquaredNorm, &args, SquaredNormWorkspace(&args));
        }

        for (int i = 0; i < dense.Length; i++)
        {
            if (!ReferenceEquals(dense[i], tensors[i])) dense[i].Dispose();
        }

        GC.KeepAlive(tensors);
        return Math.Sqrt(result);
    }

    /// <summary>One step of AdamW on all tensors.</summary>
    /// <param name="tensors">Contiguous float32 tensors on the CPU.</param>
    /// <param name="numbers">Learning rate and so on.</param>
    /// <exception cref="ArgumentException">A tensor is of another kind, or a gradient or moment has another size than its parameter.</exception>
    public static void AdamW(IReadOnlyList<AdamWTensor> tensors, AdamWNumbers numbers)
    {
        if (tensors.Count == 0) return;
        Tensor[] values = [.. tensors.Select(t => t.Value)], gradients = [.. tensors.Select(t => t.Gradient)];
        Tensor[] first = [.. tensors.Select(t => t.FirstMoment)], second = [.. tensors.Select(t => t.SecondMoment)];
        for (int i = 0; i < values.Length; i++) Require(i, values[i], gradients[i], first[i], second[i]);
        fixed (long* sizes = Sizes(values))
        fixed (nint* value = Addresses(values), gradient = Addresses(gradients), mean = Addresses(first), square = Addresses(second))
        fixed (double* decays = tensors.Select(t => t.WeightDecay).ToArray())
        {
            var args = new AdamWArguments
            {
                Header = KernelHeader.Of<AdamWArguments>(ScalarType.Float32), Count = values.Length, Sizes = sizes,
                Parameters = (float**)value, Gradients = (float**)gradient, FirstMoments = (float**)mean, SecondMoments = (float**)square,
                WeightDecays = decays, LearningRate = numbers.LearningRate, Beta1 = numbers.Beta1, Beta2 = numbers.Beta2,
                Epsilon = numbers.Epsilon, GradientScale = numbers.GradientScale, Step = numbers.Step,
            };
            Call(Step, &args, StepWorkspace(&args));
        }

        GC.KeepAlive(tensors);
    }

    private static string? Refusal(IReadOnlyList<Tensor> parameters)
    {
        foreach (Tensor each in parameters)
        {
            if (each.device_type != DeviceType.CPU) return $"this kernel runs on the CPU, and the tensors are on {each.device_type}";
            if (KernelLibrary.Cpu.Refusal(each.dtype) is { } problem) return problem;
            if (!each.is_contiguous()) return "a parameter is not contiguous";
        }

        return Step == null || SquaredNorm == null ? $"{KernelLibrary.Path} has no memgen_adamw_step and memgen_squared_norm. Run ./build.sh once to build it again" : null;
    }

    private static void Require(int index, params ReadOnlySpan<Tensor> tensors)
    {
        foreach (Tensor each in tensors)
        {
            if (each.dtype != ScalarType.Float32 || each.device_type != DeviceType.CPU || !each.is_contiguous() || each.numel() != tensors[0].numel())
            {
                throw new ArgumentException(
                    $"adamw: parameter {index}, its gradient and its moments must be contiguous Float32 tensors of one size on the CPU; one is {each.dtype} of {each.numel()} elements on {each.device}, the parameter has {tensors[0].numel()}.");
            }
        }
    }

    private static void Call(delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> function, void* args, long bytes)
    {
        KernelLibrary.FollowThreads();
        using var scratch = Scratch.Rent(bytes);
        if (function(args, scratch.Pointer, scratch.Bytes, null) != 0)
        {
            throw new InvalidOperationException($"The kernel library refused a call: {KernelLibrary.Cpu.LastError()}");
        }
    }

    private static long[] Sizes(Tensor[] tensors) => Array.ConvertAll(tensors, each => each.numel());

    private static nint[] Addresses(Tensor[] tensors) => Array.ConvertAll(tensors, each => (nint)KernelLibrary.Data(each));
}
