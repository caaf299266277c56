using TorchSharp;
using static TorchSharp.torch;

namespace Conformance;

/// <summary>What inputs are rounded to, what sums are kept in, and how far results may be from the vectors.</summary>
/// <param name="Inputs">Dtype of inputs and outputs.</param>
/// <param name="Accumulation">Dtype of states.</param>
/// <param name="OutputLimit">Largest error of outputs.</param>
/// <param name="GradientLimit">Largest error of gradients.</param>
internal sealed record Precision(ScalarType Inputs, ScalarType Accumulation, double OutputLimit, double GradientLimit)
{
    public static Precision Of(string name) => name switch
    {
        "f64" => new(ScalarType.Float64, ScalarType.Float64, 1e-9, 1e-9),
        "f32" => new(ScalarType.Float32, ScalarType.Float32, 2e-5, 1e-4),
        "bf16" => new(ScalarType.BFloat16, ScalarType.Float32, 2e-2, 2e-2),
        _ => throw new ArgumentException($"dtype '{name}' is unknown; expected f64, f32 or bf16.", nameof(name)),
    };
}
