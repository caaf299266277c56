namespace Memory.Gen.Generators.Specs;

/// <summary>A memory around the whole stack, with its defaults filled in.</summary>
/// <param name="SegmentTokens">Rows of the window that the backbone reads.</param>
/// <param name="BackpropSegments">How many segments back a loss reaches; null for all.</param>
/// <param name="LossScope">Which predictions a trainer counts.</param>
/// <param name="LossTokens">How many with LastNTokens; 0 otherwise.</param>
public abstract record WrapperSpec(int SegmentTokens, int? BackpropSegments, LossScope LossScope, int LossTokens)
{
    /// <summary>Everything that decides its parameters, numbers and state, in one line that never changes its form.</summary>
    public abstract string Canonical { get; }

    /// <summary>Rows of the window that are no new tokens.</summary>
    public abstract long OtherRows { get; }

    /// <summary>The shortest window that has room for all of it.</summary>
    public virtual long LeastSegmentTokens => OtherRows + 1;

    /// <summary>Whether a token sees later ones of its segment.</summary>
    public virtual bool LooksAhead => false;

    /// <summary>The shortest window that the layers' own windows and slots have room in, where that was asked for; 0 otherwise.</summary>
    internal long LayerRows { get; init; }

    /// <summary>New tokens of a segment.</summary>
    public long NewTokens => SegmentTokens - OtherRows;

    /// <summary>The arguments that every wrapper has.</summary>
    internal static (int SegmentTokens, int? BackpropSegments, LossScope LossScope, int LossTokens) ReadShared(AttributeSpec attribute) => (
        attribute.Int("SegmentTokens"),
        attribute.Has("BackpropSegments") ? attribute.Int("BackpropSegments") : null,
        attribute.Enum("LossScope", absent: LossScope.AllSegments),
        attribute.Int("LossTokens"));
}
