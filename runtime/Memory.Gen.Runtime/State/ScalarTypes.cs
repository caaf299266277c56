using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

internal static class ScalarTypes
{
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
