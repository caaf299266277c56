using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The numbers in which a form of an operator is asked: float32 in the form Native, else float64.</summary>
internal static class FormNumbers
{
    public static Tensor To(OperatorForm form, Tensor x) => x.to(form == OperatorForm.Native ? ScalarType.Float32 : ScalarType.Float64);

    /// <summary>How far a form may be from the definition in float64.</summary>
    public static double Limit(OperatorForm form) => form == OperatorForm.Native ? 2e-5 : 1e-12;
}
