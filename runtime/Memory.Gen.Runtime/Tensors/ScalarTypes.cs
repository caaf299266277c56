using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What is known of element types.</summary>
internal static class ScalarTypes
{
    /// <summary>The type of sums and states beside tensors of this one: float32 or wider.</summary>
    public static ScalarType Wide(this ScalarType dtype) => dtype == ScalarType.Float64 ? dtype : ScalarType.Float32;

    /// <summary>Bytes of one element.</summary>
    public static long Size(this ScalarType dtype) => dtype switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 => 4,
        ScalarType.Int64 or ScalarType.Float64 => 8,
        _ => throw new ArgumentException($"{dtype} is not an element type that Memory.Gen uses.", nameof(dtype)),
    };
}
