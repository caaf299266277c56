using System.Globalization;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Wrappers.Recurrent;

/// <summary>RMT: rows in front of and behind every segment that carry what the backbone wants to keep.</summary>
/// <param name="SegmentTokens">Rows of the window.</param>
/// <param name="BackpropSegments">How many segments back a loss reaches; null for all.</param>
/// <param name="LossScope">Which predictions a trainer counts.</param>
/// <param name="LossTokens">How many with LastNTokens.</param>
/// <param name="MemoryTokens">Rows of the memory.</param>
/// <param name="WriteInit">What the rows behind a segment hold at first.</param>
public sealed record RecurrentMemorySpec(
    int SegmentTokens, int? BackpropSegments, LossScope LossScope, int LossTokens, int MemoryTokens, WriteInit WriteInit)
    : WrapperSpec(SegmentTokens, BackpropSegments, LossScope, LossTokens)
{
    /// <inheritdoc/>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture, "recurrent_memory segment={0} memory={1} write={2}", SegmentTokens, MemoryTokens, WriteInit);

    /// <inheritdoc/>
    public override long OtherRows => 2L * MemoryTokens;

    internal static RecurrentMemorySpec Read(AttributeSpec attribute, int dim)
    {
        var (segment, backprop, scope, lossTokens) = ReadShared(attribute);
        return new RecurrentMemorySpec(
            segment, backprop, scope, lossTokens, attribute.Int("MemoryTokens"), attribute.Enum("WriteInit", absent: WriteInit.Recurrent));
    }
}
