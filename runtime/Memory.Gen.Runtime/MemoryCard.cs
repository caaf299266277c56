using System.Globalization;
using System.Text;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What a declared model costs, known before any tensor exists: exact sizes, and FLOPs (around a stack that reads segments, a segment's spread over its new tokens).</summary>
/// <param name="model">Name of the model's class.</param>
/// <param name="parameters">Number of trained values.</param>
/// <param name="memoryElements">State values of one sequence that are kept in float32 or wider.</param>
/// <param name="cacheElements">State values of one sequence that are kept in the model's element type.</param>
/// <param name="cacheElementsPerToken">State values, in the model's element type, that every token read adds.</param>
/// <param name="flopsPerToken">Twice the multiply-adds of the recurrent form's matrix products for one token.</param>
/// <param name="flopsPerTokenOfContext">What every token of context adds to that; 0 when cost does not grow with the text.</param>
/// <param name="receptiveField">Tokens an output can depend on; null when unbounded.</param>
/// <param name="countElements">State values of one sequence that are whole numbers of 8 bytes.</param>
/// <param name="stretchTokens">Tokens, counted from the beginning of a text, between places that no gradient passes; null when it passes everywhere.</param>
public sealed class MemoryCard(
    string model, long parameters, long memoryElements, long cacheElements, long cacheElementsPerToken,
    long flopsPerToken, long flopsPerTokenOfContext, long? receptiveField, long countElements = 0, long? stretchTokens = null)
{
    /// <summary>Name of the model's class.</summary>
    public string Model { get; } = model;

    /// <summary>Number of trained values.</summary>
    public long Parameters { get; } = parameters;

    /// <summary>FLOPs for one token, the growing part left out: see <see cref="FlopsPerTokenOfContext"/>.</summary>
    public long FlopsPerToken { get; } = flopsPerToken;

    /// <summary>FLOPs that every token of context adds to the cost of one token; 0 when cost does not grow with the text.</summary>
    public long FlopsPerTokenOfContext { get; } = flopsPerTokenOfContext;

    /// <summary>Tokens an output can depend on; null when unbounded.</summary>
    public long? ReceptiveField { get; } = receptiveField;

    /// <summary>
    /// Tokens, counted from the beginning of a text, between places that no gradient passes: who trains on longer texts needs the graph of one
    /// such stretch at a time. Null when it passes everywhere.
    /// </summary>
    public long? StretchTokens { get; } = stretchTokens;

    /// <summary>Bytes of one sequence's state, exactly, its position included.</summary>
    /// <param name="tokens">Tokens read so far, 0 or more.</param>
    /// <param name="dtype">The model's element type.</param>
    /// <returns>Bytes; those of a batch are as many times its rows.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number of tokens is negative.</exception>
    /// <exception cref="OverflowException">The state of so long a text has more bytes than a number of 64 bits counts.</exception>
    public long StateBytes(long tokens, ScalarType dtype)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        return checked(memoryElements * dtype.Wide().Size()
            + (cacheElements + cacheElementsPerToken * tokens) * dtype.Size() + (countElements + 1) * sizeof(long));
    }

    /// <summary>The most bytes that one sequence's state can reach, or null where it grows with the text.</summary>
    /// <param name="dtype">The model's element type.</param>
    public long? StateBytesBound(ScalarType dtype) => cacheElementsPerToken > 0 ? null : StateBytes(0, dtype);

    /// <summary>The card as lines of text.</summary>
    public override string ToString()
    {
        static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
        long perToken = cacheElementsPerToken * ScalarType.Float32.Size();
        return new StringBuilder()
            .Append(Model).Append('\n')
            .Append("  parameters       ").Append(Number(Parameters)).Append('\n')
            .Append("  state            ").Append(Number(StateBytes(0, ScalarType.Float32))).Append(" bytes a sequence in float32")
            .Append(perToken > 0 ? $", and {Number(perToken)} more for every token read\n" : ", whatever the length\n")
            .Append("  cost             ").Append(Number(FlopsPerToken)).Append(" FLOPs a token")
            .Append(FlopsPerTokenOfContext > 0 ? $", and {Number(FlopsPerTokenOfContext)} more for every token of context\n" : "\n")
            .Append("  receptive field  ").Append(ReceptiveField is { } tokens ? Number(tokens) + " tokens" : "unbounded")
            .Append(StretchTokens is { } stretch ? $"\n  gradients        within stretches of {Number(stretch)} tokens" : "")
            .ToString();
    }
}
