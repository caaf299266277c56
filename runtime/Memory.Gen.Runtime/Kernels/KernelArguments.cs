using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Kernels;

// The structs of memgen.h, field by field; its comments say what they mean.

/// <summary>A tensor as the kernels see it: first element and strides. Whoever makes one keeps the tensor alive until the call returns.</summary>
internal unsafe struct KernelTensor
{
    public void* Data;
    public fixed long Stride[4];

    /// <summary>Absent when null.</summary>
    public static KernelTensor Of(Tensor? tensor)
    {
        KernelTensor view = default;
        if (tensor is null) return view;
        view.Data = KernelLibrary.Data(tensor);
        long[] strides = tensor.stride();
        for (int i = 0; i < strides.Length; i++) view.Stride[i] = strides[i];
        return view;
    }

    /// <summary>A contiguous tensor <c>[..., D]</c> as rows <c>[N, D]</c>; absent when null.</summary>
    public static KernelTensor Rows(Tensor? tensor) => tensor is null ? default : Rows(KernelLibrary.Data(tensor), tensor.shape[^1]);

    /// <summary>Rows <c>[N, features]</c> that lie one behind the other.</summary>
    public static KernelTensor Rows(void* data, long features)
    {
        KernelTensor view = default;
        view.Data = data;
        view.Stride[0] = features;
        view.Stride[1] = 1;
        return view;
    }

    /// <summary>A contiguous tensor as <c>[B, T, C]</c>, whatever axes C stands for.</summary>
    public static KernelTensor Tokens(Tensor tensor, long tokens, long channels)
    {
        KernelTensor view = default;
        view.Data = KernelLibrary.Data(tensor);
        view.Stride[0] = tokens * channels;
        view.Stride[1] = channels;
        view.Stride[2] = 1;
        return view;
    }

    /// <summary>A contiguous tensor of a shape that the caller knows; absent when null.</summary>
    public static KernelTensor Contiguous(Tensor? tensor, params ReadOnlySpan<long> shape)
    {
        KernelTensor view = default;
        if (tensor is null) return view;
        view.Data = KernelLibrary.Data(tensor);
        long step = 1;
        for (int i = shape.Length - 1; i >= 0; step *= shape[i--]) view.Stride[i] = step;
        return view;
    }

    /// <summary>The tensor itself where its last axis is contiguous, else a copy of it.</summary>
    public static Tensor Dense(Tensor tensor)
    {
        if (tensor.is_contiguous()) return tensor;
        long[] strides = tensor.stride();
        return strides.Length == 0 || strides[^1] == 1 || tensor.shape[^1] <= 1 ? tensor : tensor.contiguous();
    }
}

/// <summary>memgen_segments. Whoever makes one keeps the layout alive until the call returns.</summary>
internal unsafe struct KernelSegments
{
    public long Count;
    public long* Starts, Lengths;
}

/// <summary>What every argument struct begins with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelHeader
{
    public nuint StructSize;
    public int Dtype;

    /// <summary>Of a struct of type <typeparamref name="TArgs"/>.</summary>
    public static KernelHeader Of<TArgs>(ScalarType dtype) where TArgs : unmanaged =>
        new() { StructSize = (nuint)Unsafe.SizeOf<TArgs>(), Dtype = Number(dtype) };

    /// <summary>memgen_dtype.</summary>
    public static int Number(ScalarType? dtype) => dtype == ScalarType.BFloat16 ? 1 : 0;
}

/// <summary>memgen_gated_delta_rule_args, which scalar_decay, channel_decay, channel_delta_rule and generalized_delta_rule share.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MatrixArguments
{
    public KernelHeader Header;
    public long Batch, Tokens, Heads, KeyDim, ValueDim;
    public KernelSegments Segments;
    public double Scale;
    public int StateDtype;
    public KernelTensor Q, K, V, Beta, LogDecay, A, B, InitialState;
    public KernelTensor O, FinalState;
    public void* Checkpoints;
    public KernelTensor GradO, GradFinalState;
    public KernelTensor GradQ, GradK, GradV, GradBeta, GradLogDecay, GradA, GradB, GradInitialState;
}

/// <summary>memgen_linear_attention_normalized_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NormalizedArguments
{
    public KernelHeader Header;
    public long Batch, Tokens, Heads, KeyDim, ValueDim;
    public KernelSegments Segments;
    public double Scale, Epsilon;
    public KernelTensor Q, K, V, InitialState, InitialNormalizer;
    public KernelTensor O, FinalState, FinalNormalizer;
    public float* Divisors;
    public void* Checkpoints;
    public KernelTensor GradO, GradFinalState, GradFinalNormalizer;
    public KernelTensor GradQ, GradK, GradV, GradInitialState, GradInitialNormalizer;
}

/// <summary>One tensor for each layer of a Titans memory.</summary>
[InlineArray(TitansArguments.MostLayers)]
internal struct KernelTensors
{
    private KernelTensor first;
}

/// <summary>memgen_titans_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TitansArguments
{
    public const int MostLayers = 4;

    public KernelHeader Header;
    public long Batch, Tokens, Heads, Layers, Block;
    public fixed long Dims[MostLayers + 1];
    public KernelSegments Segments;
    public long Activation, ReadsBlockStart, Momentum, DecaysToTarget, Residual;
    public double Clip;
    public KernelTensor Q, K, V, Theta, Eta, Alpha;
    public KernelTensors InitialWeights, InitialMomenta, Target;
    public KernelTensor Gamma, O;
    public KernelTensors FinalWeights, FinalMomenta;
    public KernelTensor GradO;
    public KernelTensors GradFinalWeights, GradFinalMomenta;
    public KernelTensor GradQ, GradK, GradV, GradTheta, GradEta, GradAlpha;
    public KernelTensors GradInitialWeights, GradInitialMomenta, GradTarget;
    public KernelTensor GradGamma;
    public void* Checkpoints;
}

/// <summary>memgen_titans_step_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TitansStepArguments
{
    public KernelHeader Header;
    public long Batch, Heads, Layers, Block, Read;
    public fixed long Dims[TitansArguments.MostLayers + 1];
    public long Activation, ReadsBlockStart, Momentum, DecaysToTarget, Residual;
    public double Clip;
    public KernelTensor Q, K, V, Theta, Eta, Alpha;
    public KernelTensor PastK, PastV, PastTheta, PastEta, PastAlpha;
    public KernelTensors Weights, Momenta, Target;
    public KernelTensor Gamma, O;
    public KernelTensors FinalWeights, FinalMomenta;
}

/// <summary>memgen_linear_scan_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LinearScanArguments
{
    public KernelHeader Header;
    public long Batch, Tokens, Channels;
    public KernelSegments Segments;
    public KernelTensor A, B, InitialState;
    public KernelTensor H, FinalState;
    public KernelTensor GradH, GradFinalState;
    public KernelTensor GradA, GradB, GradInitialState;
}

/// <summary>memgen_selective_scan_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SelectiveScanArguments
{
    public KernelHeader Header;
    public long Batch, Tokens, Channels, StateDim;
    public KernelSegments Segments;
    public KernelTensor U, Delta, A, B, C, D, InitialState;
    public KernelTensor Y, FinalState;
    public void* Checkpoints;
    public KernelTensor GradY, GradFinalState;
    public KernelTensor GradU, GradDelta, GradA, GradB, GradC, GradD, GradInitialState;
}

/// <summary>memgen_segment_attention_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttentionArguments
{
    public KernelHeader Header;
    public long Batch, Tokens, Heads, KeyHeads, KeyDim, ValueDim;
    public long KeysPerToken, Past, Window, Blocked;
    public long Chunk, Chunks, Slots;
    public long FadingCount, FadingStride, FadingOffset, FadingPast;
    public long Prefix;
    public double Scale;
    public long* Read, Lengths;
    public byte* Present;
    public KernelTensor Q, PrefixQ, K, V, SlotK, SlotV, FadingK, FadingV, PrefixK, PrefixV;
    public KernelTensor O;
    public float* Logs;
    public KernelTensor GradO;
    public KernelTensor GradQ, GradPrefixQ, GradK, GradV, GradSlotK, GradSlotV, GradFadingK, GradFadingV, GradPrefixK, GradPrefixV;
}

/// <summary>memgen_causal_conv_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ConvolutionArguments
{
    public KernelHeader Header;
    public long Batch, Tokens, Channels, Width;
    public KernelSegments Segments;
    public KernelTensor X, Weight, Bias, InitialState;
    public KernelTensor Y, FinalState;
    public KernelTensor GradY, GradFinalState;
    public KernelTensor GradX, GradWeight, GradBias, GradInitialState;
}

/// <summary>One tensor for each of several linear maps.</summary>
[InlineArray(LinearArguments.MostMaps)]
internal struct MapTensors
{
    private KernelTensor first;
}

/// <summary>memgen_linear_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LinearArguments
{
    public const int MostMaps = 8;

    public KernelHeader Header;
    public long Rows, InFeatures, Count;
    public fixed long OutFeatures[MostMaps];
    public int Products;
    public KernelTensor X;
    public MapTensors Weights, Y;
    public MapTensors GradY;
    public KernelTensor GradX;
    public MapTensors GradWeights;
}

/// <summary>memgen_rms_norm_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NormArguments
{
    public KernelHeader Header;
    public long Rows, Features;
    public double Epsilon;
    public KernelTensor X, Weight, Gate, Y;
    public KernelTensor GradY, GradX, GradWeight, GradGate;
}

/// <summary>memgen_unit_length_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UnitLengthArguments
{
    public KernelHeader Header;
    public long Rows, Features;
    public double Epsilon;
    public KernelTensor X, Y, GradY, GradX;
}

/// <summary>memgen_swiglu_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SwiGluArguments
{
    public KernelHeader Header;
    public long Rows, Features;
    public KernelTensor Gate, Up, Y;
    public KernelTensor GradY, GradGate, GradUp;
}

/// <summary>memgen_softplus_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SoftplusArguments
{
    public KernelHeader Header;
    public long Rows, Features;
    public KernelTensor X, Bias, Y;
    public KernelTensor GradY, GradX, GradBias;
}

/// <summary>memgen_rotary_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RotaryArguments
{
    public KernelHeader Header;
    public long Rows, Heads, Features, Places;
    public KernelTensor Cosines, Sines, X, Y;
    public KernelTensor GradY, GradX;
}

/// <summary>memgen_cross_entropy_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CrossEntropyArguments
{
    public KernelHeader Header;
    public long Rows, Classes, IgnoredTarget;
    public double GradientScale;
    public KernelTensor Logits;
    public long* Targets;
    public KernelTensor Losses, GradLosses, GradLogits;
}

/// <summary>memgen_squared_norm_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SquaredNormArguments
{
    public KernelHeader Header;
    public long Count;
    public long* Sizes;
    public float** Data;
    public double* Result;
}

/// <summary>memgen_adamw_args.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AdamWArguments
{
    public KernelHeader Header;
    public long Count;
    public long* Sizes;
    public float** Parameters, Gradients, FirstMoments, SecondMoments;
    public double* WeightDecays;
    public double* SquaredNorm;
    public double ClipNorm;
    public double LearningRate, Beta1, Beta2, Epsilon;
    public long Step;
}
