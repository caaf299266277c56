using System.Globalization;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Memories.SelectiveStateSpace;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>A window, eidetic slots and a fading memory, read by one softmax.</summary>
/// <param name="Letter">Its letter in the pattern.</param>
/// <param name="FeedForward">Its own feed-forward width.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="Window">Tokens of the window; 0 for none.</param>
/// <param name="WindowMode">How it moves.</param>
/// <param name="EideticTokens">Slots for older tokens; 0 for none.</param>
/// <param name="FadingTokens">Outputs of the fading memory that are read; 0 for none.</param>
/// <param name="FadingStride">Tokens from one of them to the next.</param>
/// <param name="FadingOffset">Tokens from the query to the newest of them; null for the last before the window.</param>
/// <param name="Fading">The recurrence.</param>
/// <param name="TiedProjections">Whether fading tokens share the window's projections.</param>
/// <param name="RefreshTokens">Tokens between two choices of the slots.</param>
/// <param name="Score">What makes a token worth a slot.</param>
/// <param name="PredictionLoss">Factor on the loss of the prediction; 0 for none.</param>
/// <param name="Threshold">Least score that is kept; null for no bound.</param>
/// <param name="ScoreDecay">Factor on kept scores at every refresh.</param>
/// <param name="Eviction">What leaves full slots.</param>
/// <param name="Positions">Where their keys stand.</param>
/// <param name="QueryKeyNorm">Whether queries and keys go through a norm.</param>
/// <param name="RotaryBase">Base of the rotary positions; 0 for none.</param>
/// <param name="Memory">What the recurrence is; null without one.</param>
public sealed record BMojoSpec(
    char Letter,
    int? FeedForward,
    int Heads,
    int KeyValueHeads,
    int Window,
    BMojoWindow WindowMode,
    int EideticTokens,
    int FadingTokens,
    int FadingStride,
    int? FadingOffset,
    FadingState Fading,
    bool TiedProjections,
    int RefreshTokens,
    BMojoScore Score,
    double PredictionLoss,
    double? Threshold,
    double ScoreDecay,
    BMojoEviction Eviction,
    BMojoPositions Positions,
    bool QueryKeyNorm,
    double RotaryBase,
    MixerSpec? Memory)
    : MixerSpec(Letter, FeedForward)
{
    /// <inheritdoc/>
    /// <remarks>Without the prediction's loss, which changes neither weights nor numbers nor state.</remarks>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture,
        "bmojo heads={0} key_value_heads={1} window={2} {3} eidetic={4} fading={5} stride={6} offset={7} tied={8} refresh={9} score={10} "
            + "threshold={11} decay={12:R} eviction={13} positions={14} norm={15} rotary_base={16:R} of {17}",
        Heads, KeyValueHeads, Window, WindowMode, EideticTokens, FadingTokens, FadingStride,
        FadingOffset?.ToString(CultureInfo.InvariantCulture) ?? "window", TiedProjections, RefreshTokens, Score,
        Threshold?.ToString("R", CultureInfo.InvariantCulture) ?? "none", ScoreDecay, Eviction, Positions, QueryKeyNorm, RotaryBase,
        Memory?.Canonical ?? "none");

    internal bool IsBlocked => WindowMode == BMojoWindow.Blocked;

    internal bool HasEidetic => EideticTokens > 0;

    internal bool HasFading => FadingTokens > 0;

    internal bool HasWindow => Window > 0;

    internal bool HasPositions => RotaryBase != 0;

    /// <summary>Whether a read-out predicts tokens.</summary>
    internal bool HasPredictor => HasEidetic && Score == BMojoScore.ReadoutLinear;

    /// <summary>Whether scores ask the fading memory what it recalls.</summary>
    internal bool HasResidual => HasEidetic && Score == BMojoScore.DeltaResidual;

    /// <summary>Whether the newest tokens are kept: by a score that says so, or first in, first out.</summary>
    internal bool KeepsNewest => Score == BMojoScore.Recency || Eviction == BMojoEviction.Fifo;

    /// <summary>
    /// Tokens before the present one that a state keeps of the window, those among them that have left it and wait for the
    /// next choice of slots.
    /// </summary>
    internal long KeptTokens => IsBlocked
        ? (2L * Window) - (HasEidetic ? 0 : 1)
        : HasEidetic ? (long)Window + RefreshTokens - 1 : System.Math.Max(0, Window - 1L);

    /// <summary>Tokens before the present one whose fading keys a state keeps.</summary>
    internal long KeptFading => ((FadingTokens - 1L) * FadingStride) + NewestFading;

    /// <summary>Tokens from the last one of a chunk, or from any in a sliding window, to the newest fading token that it reads.</summary>
    internal long NewestFading => FadingOffset ?? (IsBlocked ? 2L * Window : Window);

    /// <summary>Whether no token of its windows reads another output of the recurrence than the first, whose state nothing has faded in.</summary>
    internal bool ReadsFirstOutputOnly => HasFading && Rows > 0 && NewestOutputRead == 0;

    /// <summary>Place of the newest output of the recurrence that the last row of a window reads; below 0 where there is none.</summary>
    private long NewestOutputRead => IsBlocked ? (((Rows - 1L) / System.Math.Max(1, Window)) - 1) * Window - 1 : Rows - 1L - NewestFading;

    /// <inheritdoc/>
    /// <remarks>The slots of a chunk hold tokens that have left the window before it; the last chunk is the one of the last token.</remarks>
    internal override (long Filled, long Needed)? SlotsWithin(int tokens)
    {
        if (!HasEidetic || Window < 1 || RefreshTokens < 1)
            return null;
        // Of t tokens that are read when slots are chosen, those of the last so many are in the window of the tokens to come.
        long chunk = IsBlocked ? Window : RefreshTokens, inWindow = IsBlocked ? Window : Window - 1L;
        long read = (tokens - 1) / chunk * chunk;
        long chunks = (EideticTokens + inWindow + chunk - 1) / chunk;
        return (System.Math.Max(0, System.Math.Min(EideticTokens, read - inWindow)), (chunks * chunk) + 1);
    }

    internal static BMojoSpec Read(AttributeSpec attribute, int dim)
    {
        int heads = attribute.Int("Heads"), window = attribute.Int("Window");
        int eidetic = attribute.Int("EideticTokens"), fading = attribute.Int("FadingTokens");
        FadingState state = attribute.Enum("Fading", absent: fading > 0 ? FadingState.SelectiveScan : FadingState.None);
        return new BMojoSpec(
            attribute.Letter,
            attribute.FeedForward,
            heads,
            attribute.Int("KeyValueHeads", absent: heads),
            window,
            attribute.Enum("WindowMode", absent: eidetic > 0 ? BMojoWindow.Blocked : BMojoWindow.Sliding),
            eidetic,
            fading,
            attribute.Int("FadingStride", absent: 1),
            attribute.Has("FadingOffset") ? attribute.Int("FadingOffset") : null,
            state,
            attribute.Bool("TiedProjections", absent: true),
            attribute.Int("RefreshTokens", absent: window),
            attribute.Enum("Score", absent: BMojoScore.ReadoutLinear),
            attribute.Double("PredictionLoss", absent: 0.1),
            attribute.Has("Threshold") ? attribute.Double("Threshold", absent: 0) : null,
            attribute.Double("ScoreDecay", absent: 1),
            attribute.Enum("Eviction", absent: BMojoEviction.TopScore),
            attribute.Enum("Positions", absent: BMojoPositions.Compact),
            attribute.Bool("QueryKeyNorm", absent: false),
            attribute.Double("RotaryBase", absent: 10_000),
            MemoryOf(state, heads, dim));
    }

    private static MixerSpec? MemoryOf(FadingState state, int heads, int dim) => state switch
    {
        FadingState.GatedDelta => LinearMemorySpec.Read(Written("LinearMemory", ("Heads", heads), ("Rule", (int)MemoryRule.GatedDelta)), dim),
        FadingState.ScalarDecay => LinearMemorySpec.Read(Written("LinearMemory", ("Heads", heads), ("Rule", (int)MemoryRule.ScalarDecay), ("StateSpace", true)), dim),
        FadingState.SelectiveScan => SelectiveStateSpaceSpec.Read(Written("SelectiveStateSpace"), dim),
        _ => null,
    };

    // An attribute as it would be written, so that the memory has its own defaults.
    private static AttributeSpec Written(string kind, params (string Name, object Value)[] arguments) =>
        new(kind, AttributeRole.Mixer, arguments.Select(argument => new ArgumentSpec(argument.Name, argument.Value)).ToEquatableArray(), IsReadable: true);
}
