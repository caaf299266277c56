using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How an operator computes; the numbers are the same within rounding.</summary>
public enum OperatorForm
{
    /// <summary>The plain token loop of the definition: the oracle, what decodes one token, and the one whose gradient can be differentiated.</summary>
    Reference,

    /// <summary>Chunk-parallel tensor operations with a hand-written backward: every device and dtype.</summary>
    Chunked,

    /// <summary>The kernel library of the device: float32 on the CPU; on CUDA bfloat16 too, for the operators that have a kernel there.</summary>
    Native,
}

/// <summary>What a memory operator returns.</summary>
/// <param name="Output">What every token read, <c>[B, T, ...]</c>, in the inputs' dtype.</param>
/// <param name="FinalState">The memory after the last token, float32 or wider, or in bfloat16 where one token was read into a state in bfloat16; gradients flow from it.</param>
public readonly record struct MemoryRead(Tensor Output, Tensor FinalState)
{
    internal MemoryRead ToOuterScope() => new(Output.MoveToOuterDisposeScope(), FinalState.MoveToOuterDisposeScope());
}

/// <summary>One call of one operator: its name and the form that ran.</summary>
/// <param name="Operator">Its name, <c>gated_delta_rule</c> for example.</param>
/// <param name="Form">What ran.</param>
public readonly record struct OperatorUse(string Operator, OperatorForm Form);

/// <summary>Which form runs, and which one ran.</summary>
/// <remarks>
/// A call that names a form gets it. Otherwise <c>MEMORY_GEN_FORM</c> (<c>reference</c>, <c>chunked</c> or <c>native</c>), as it
/// stands when the first operator runs, decides, and otherwise the fastest form that serves the call. A form that was asked for never falls back to another.
/// </remarks>
public static class OperatorForms
{
    private const string Variable = "MEMORY_GEN_FORM";

    private static readonly ConcurrentDictionary<string, string> Told = new();

    [ThreadStatic]
    private static OperatorUse? lastUsed;

    // Reading the environment costs as much as a tenth of a small call.
    private static bool environmentRead;
    private static OperatorForm? fromEnvironment;

    /// <summary>The last operator call of this thread; null before the first.</summary>
    public static OperatorUse? LastUsed => lastUsed;

    /// <summary>Raised at every operator call, on the calling thread, before it runs.</summary>
    public static event Action<OperatorUse>? Used;

    /// <summary>Raised once per process and operator that nobody asked a form of and that does without the kernel library, with the reason.</summary>
    public static event Action<string>? Note;

    /// <summary>The form of what is made of tensor operations alone and has no form of its own to ask for: Reference where the environment says so.</summary>
    internal static OperatorForm OfTensors
    {
        get
        {
            if (!environmentRead) ReadEnvironment();
            return fromEnvironment == OperatorForm.Reference ? OperatorForm.Reference : OperatorForm.Chunked;
        }
    }

    /// <param name="name">The operator.</param>
    /// <param name="asked">The form that the caller names.</param>
    /// <param name="refusal">Why the kernel library cannot serve this call, or null when it can; null itself when there is no kernel.</param>
    internal static OperatorForm Choose(string name, OperatorForm? asked, Func<string?>? refusal)
    {
        if (!environmentRead) ReadEnvironment();
        OperatorForm? forced = asked ?? fromEnvironment;
        if (forced is { } named && !Enum.IsDefined(named))
        {
            throw new ArgumentOutOfRangeException(nameof(asked), named, $"{name}: form must be Reference, Chunked or Native.");
        }

        OperatorForm form = forced ?? OperatorForm.Native;
        if (form == OperatorForm.Native && (refusal is null ? "there is no kernel for it" : refusal()) is { } reason)
        {
            if (forced is not null)
            {
                throw new NotSupportedException($"{name}: the form Native was asked for, but {reason}; ask for Chunked or Reference, or unset {Variable}.");
            }

            if (refusal is not null) Tell(name, reason);
            form = OperatorForm.Chunked;
        }

        var use = new OperatorUse(name, form);
        lastUsed = use;
        Used?.Invoke(use);
        return form;
    }

    /// <summary>Whether a call that the kernel library serves and that names no form takes it; if so, it is one more use of it.</summary>
    internal static bool TakesKernel(string name)
    {
        if (!environmentRead) ReadEnvironment();
        if (fromEnvironment is not (null or OperatorForm.Native)) return false;
        Choose(name, OperatorForm.Native, static () => null);
        return true;
    }

    /// <summary>Reads <c>MEMORY_GEN_FORM</c>, anew where it was read before.</summary>
    internal static void ReadEnvironment()
    {
        environmentRead = false;
        fromEnvironment = FromEnvironment();
        environmentRead = true;
    }

    private static void Tell(string name, string reason)
    {
        if (!Told.TryAdd(name, reason)) return;
        string note = $"{name} runs as tensor operations: {reason}.";
        Trace.WriteLine(note);
        Note?.Invoke(note);
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
