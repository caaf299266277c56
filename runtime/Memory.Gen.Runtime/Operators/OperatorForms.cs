using System.Globalization;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How an operator computes; the numbers are the same within rounding.</summary>
public enum OperatorForm
{
    /// <summary>The plain token loop of the definition: the oracle, and what decodes one token.</summary>
    Reference,

    /// <summary>Chunk-parallel tensor operations with a hand-written backward: every device and dtype.</summary>
    Chunked,

    /// <summary>The kernel library.</summary>
    Native,
}

/// <summary>What a memory operator returns.</summary>
/// <param name="Output">What every token read, <c>[B, T, ...]</c>, in the inputs' dtype.</param>
/// <param name="FinalState">The memory after the last token, float32 or wider; gradients flow from it.</param>
public readonly record struct MemoryRead(Tensor Output, Tensor FinalState);

/// <summary>One call of one operator: its name and the form that ran.</summary>
public readonly record struct OperatorUse(string Operator, OperatorForm Form);

/// <summary>Which form runs, and which one ran.</summary>
/// <remarks>
/// A call that names a form gets it. Otherwise <c>MEMORY_GEN_FORM</c> (<c>reference</c>, <c>chunked</c> or <c>native</c>)
/// decides, and otherwise the fastest form that serves the call. A form that was asked for never falls back to another.
/// </remarks>
public static class OperatorForms
{
    private const string Variable = "MEMORY_GEN_FORM";

    [ThreadStatic]
    private static OperatorUse? lastUsed;

    /// <summary>The last operator call of this thread; null before the first.</summary>
    public static OperatorUse? LastUsed => lastUsed;

    /// <summary>Raised at every operator call, on the calling thread, before it runs.</summary>
    public static event Action<OperatorUse>? Used;

    internal static OperatorForm Choose(string name, OperatorForm? asked)
    {
        OperatorForm form = asked ?? FromEnvironment() ?? OperatorForm.Chunked;
        if (form == OperatorForm.Native)
        {
            throw new NotSupportedException(
                $"{name}: the form Native was asked for, but there is no kernel library; ask for Chunked or Reference, or unset {Variable}.");
        }

        if (form is not (OperatorForm.Reference or OperatorForm.Chunked))
        {
            throw new ArgumentOutOfRangeException(nameof(asked), form, $"{name}: form must be Reference, Chunked or Native.");
        }

        var use = new OperatorUse(name, form);
        lastUsed = use;
        Used?.Invoke(use);
        return form;
    }

    private static OperatorForm? FromEnvironment()
    {
        string? value = Environment.GetEnvironmentVariable(Variable);
        return value?.ToLower(CultureInfo.InvariantCulture) switch
        {
            null or "" => null,
            "reference" => OperatorForm.Reference,
            "chunked" => OperatorForm.Chunked,
            "native" => OperatorForm.Native,
            _ => throw new InvalidOperationException($"{Variable} is '{value}'; it must be reference, chunked or native."),
        };
    }
}
