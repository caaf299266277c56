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
/// <param name="Step">This step, counted from 1.</param>
public readonly record struct AdamWNumbers(double LearningRate, double Beta1, double Beta2, double Epsilon, long Step);

/// <summary>How long all gradients together may be: longer ones are scaled down to it.</summary>
/// <param name="SquaredNorm">What <see cref="OptimizerKernels.SquaredNorm"/> gives for all of them. Where it is infinite or not a number, nothing is stepped.</param>
/// <param name="Norm">The longest Euclidean norm, at least 0; infinity for any.</param>
public readonly record struct GradientClip(Tensor SquaredNorm, double Norm);

/// <summary>What an optimizer does to many tensors at once, in one call of the kernel library instead of several for every tensor.</summary>
/// <remarks>On CUDA the calls are queued, and how far gradients are scaled down is decided there: the host reads nothing.</remarks>
public static unsafe class OptimizerKernels
{
    private static readonly Lazy<Functions> Cpu = new(() => new(KernelLibrary.Cpu)), Cuda = new(() => new(KernelLibrary.Cuda));

    /// <summary>Whether these parameters are stepped here; <c>MEMORY_GEN_FORM</c> decides as for operators.</summary>
    /// <param name="parameters">Parameters, or tensors of their kind.</param>
    /// <returns>False where torch's own operations have to do it.</returns>
    /// <exception cref="NotSupportedException">The form Native is forced and cannot be had.</exception>
    public static bool Serve(IReadOnlyList<Tensor> parameters) =>
        OperatorForms.Choose("adamw", null, () => Refusal(parameters)) == OperatorForm.Native;

    /// <summary>Sum of the squares of all elements of all tensors, in float64; the same bits on every run and for any number of threads.</summary>
    /// <param name="tensors">Float32 tensors on one device.</param>
    /// <returns>One float64 number on that device.</returns>
    /// <exception cref="ArgumentException">A tensor is of another kind or elsewhere.</exception>
    public static Tensor SquaredNorm(IReadOnlyList<Tensor> tensors)
    {
        if (tensors.Count == 0) return zeros([], dtype: ScalarType.Float64);
        for (int i = 0; i < tensors.Count; i++) Require("squared_norm: tensor", i, tensors[i], tensors[0]);
        Tensor[] dense = [.. tensors.Select(each => each.contiguous())];
        Tensor result = torch.empty([], dtype: ScalarType.Float64, device: tensors[0].device);
        fixed (long* sizes = Sizes(dense))
        fixed (nint* data = Addresses(dense))
        {
            var args = new SquaredNormArguments
            {
                Header = KernelHeader.Of<SquaredNormArguments>(ScalarType.Float32), Count = dense.Length, Sizes = sizes, Data = (float**)data,
                Result = (double*)KernelLibrary.Data(result),
            };
            Functions functions = On(result.device_type);
            using var current = functions.Library.Use(result);
            Kernel.Call(functions.Library, functions.SquaredNorm, &args, functions.SquaredNormWorkspace(&args), result);
        }

        for (int i = 0; i < dense.Length; i++)
        {
            if (!ReferenceEquals(dense[i], tensors[i])) dense[i].Dispose();
        }

        GC.KeepAlive(tensors);
        return result;
    }

    /// <summary>One step of AdamW on all tensors.</summary>
    /// <param name="tensors">Contiguous float32 tensors on one device.</param>
    /// <param name="numbers">Learning rate and so on.</param>
    /// <param name="clip">Null where gradients may be of any length.</param>
    /// <exception cref="ArgumentException">A tensor is of another kind or elsewhere, or a gradient or moment has another size than its parameter.</exception>
    public static void AdamW(IReadOnlyList<AdamWTensor> tensors, AdamWNumbers numbers, GradientClip? clip = null)
    {
        if (tensors.Count == 0) return;
        Tensor[] values = [.. tensors.Select(t => t.Value)], gradients = [.. tensors.Select(t => t.Gradient)];
        Tensor[] first = [.. tensors.Select(t => t.FirstMoment)], second = [.. tensors.Select(t => t.SecondMoment)];
        for (int i = 0; i < values.Length; i++) RequireStep(i, values[0], values[i], gradients[i], first[i], second[i]);
        if (clip is { SquaredNorm: var norm } && (norm.dtype != ScalarType.Float64 || norm.numel() != 1 || !Together(norm, values[0])))
        {
            throw new ArgumentException($"adamw: the squared norm must be one Float64 number on {values[0].device}, as SquaredNorm gives it; it is {norm.dtype} of {norm.numel()} elements on {norm.device}.", nameof(clip));
        }

        fixed (long* sizes = Sizes(values))
        fixed (nint* value = Addresses(values), gradient = Addresses(gradients), mean = Addresses(first), square = Addresses(second))
        fixed (double* decays = tensors.Select(t => t.WeightDecay).ToArray())
        {
            var args = new AdamWArguments
            {
                Header = KernelHeader.Of<AdamWArguments>(ScalarType.Float32), Count = values.Length, Sizes = sizes,
                Parameters = (float**)value, Gradients = (float**)gradient, FirstMoments = (float**)mean, SecondMoments = (float**)square,
                WeightDecays = decays, SquaredNorm = clip is null ? null : (double*)KernelLibrary.Data(clip.Value.SquaredNorm), ClipNorm = clip?.Norm ?? 0,
                LearningRate = numbers.LearningRate, Beta1 = numbers.Beta1, Beta2 = numbers.Beta2, Epsilon = numbers.Epsilon, Step = numbers.Step,
            };
            Functions functions = On(values[0].device_type);
            using var current = functions.Library.Use(values[0]);
            Kernel.Call(functions.Library, functions.Step, &args, functions.StepWorkspace(&args), values[0]);
        }

        GC.KeepAlive(tensors);
        GC.KeepAlive(clip);
    }

    private static string? Refusal(IReadOnlyList<Tensor> parameters)
    {
        if (parameters.Count == 0) return KernelLibrary.Problem;
        foreach (Tensor each in parameters)
        {
            if (each.dtype != ScalarType.Float32) return $"the kernel steps Float32 parameters, and one is {each.dtype}";
            if (!Together(each, parameters[0])) return "the parameters are on several devices";
            if (!each.is_contiguous()) return "a parameter is not contiguous";
        }

        Device device = parameters[0].device;
        return KernelLibrary.Refusal(ScalarType.Float32, device) is { } problem ? problem
            : On(device.type) is { AreThere: false, Library: var library } ? $"{library.Path} has no memgen_adamw_step and memgen_squared_norm. Run {library.BuildCommand} once to build it again"
            : null;
    }

    private static void RequireStep(int index, Tensor on, Tensor value, params ReadOnlySpan<Tensor> others)
    {
        Require("adamw: parameter", index, value, on);
        foreach (Tensor each in others)
        {
            Require("adamw: gradient or moment", index, each, on);
            if (each.numel() != value.numel() || !each.is_contiguous() || !value.is_contiguous())
            {
                throw new ArgumentException($"adamw: parameter {index}, its gradient and its moments must be contiguous and of one size; one has {each.numel()} elements, the parameter has {value.numel()}.");
            }
        }
    }

    private static void Require(string what, int index, Tensor tensor, Tensor on)
    {
        if (tensor.dtype != ScalarType.Float32 || !Together(tensor, on))
        {
            throw new ArgumentException($"{what} {index} is {tensor.dtype} on {tensor.device}; expected Float32 on {on.device}.");
        }
    }

    private static bool Together(Tensor tensor, Tensor other) => tensor.device_type == other.device_type && tensor.device_index == other.device_index;

    private static Functions On(DeviceType device)
    {
        if (device == DeviceType.CUDA) return Cuda.Value;
        KernelLibrary.FollowThreads();
        return Cpu.Value;
    }

    private static long[] Sizes(Tensor[] tensors) => Array.ConvertAll(tensors, each => each.numel());

    private static nint[] Addresses(Tensor[] tensors) => Array.ConvertAll(tensors, each => (nint)KernelLibrary.Data(each));

    /// <summary>The optimizer in one library.</summary>
    private sealed class Functions(DeviceLibrary library)
    {
        public readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> Step =
            (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)library.Export("memgen_adamw_step");

        public readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> SquaredNorm =
            (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)library.Export("memgen_squared_norm");

        public readonly delegate* unmanaged[Cdecl]<void*, long> StepWorkspace =
            (delegate* unmanaged[Cdecl]<void*, long>)library.Export("memgen_adamw_workspace_size");

        public readonly delegate* unmanaged[Cdecl]<void*, long> SquaredNormWorkspace =
            (delegate* unmanaged[Cdecl]<void*, long>)library.Export("memgen_squared_norm_workspace_size");

        public DeviceLibrary Library => library;

        public bool AreThere => Step != null && SquaredNorm != null && StepWorkspace != null && SquaredNormWorkspace != null;
    }
}
