using System.Collections.Generic;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Writing;

/// <summary>What one kind of memory around a stack contributes to the emitted file.</summary>
internal abstract class WrapperEmitter(WrapperSpec spec)
{
    /// <summary>What every wrapper declares.</summary>
    public WrapperSpec Shared { get; } = spec;

    /// <summary>Name of its state in the file; null where it keeps nothing.</summary>
    public abstract string? StateName { get; }

    /// <summary>What it is, in one phrase without a full stop.</summary>
    public abstract string Phrase { get; }

    /// <summary>Its equations, one line each.</summary>
    public abstract IEnumerable<string> Equations { get; }

    /// <summary>Where they come from: authors, title.</summary>
    public abstract string Source { get; }

    /// <summary>The axis letters it uses beside B, T and D, each with its word.</summary>
    public abstract IEnumerable<string> Axes { get; }

    /// <summary>What it adds to the model's own weights.</summary>
    public abstract IReadOnlyList<ModulePart> Parts { get; }

    /// <summary>The members that it adds to the declared class beside its weights.</summary>
    public abstract IEnumerable<string> Members { get; }

    /// <summary>The constants of its sizes, one line each.</summary>
    public abstract IEnumerable<string> Constants { get; }

    /// <summary>Its own weights and state.</summary>
    public abstract Size Size { get; }

    /// <summary>New tokens, counted from the beginning of a text, between places that no gradient passes; null where it passes everywhere.</summary>
    public virtual long? StretchTokens => (Shared.BackpropSegments + 1L) * Shared.NewTokens;

    /// <summary>Rows that the backbone reads for a whole segment.</summary>
    public abstract long RowsPerSegment { get; }

    /// <summary>Twice the multiply-adds of its own matrix products for a whole segment.</summary>
    public abstract long FlopsPerSegment { get; }

    /// <summary>Writes <c>Tensor Read(Tensor tokens, State state, bool last)</c> and what it calls.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="head">What gives the logits: <c>head</c>, or the embedding's weights.</param>
    /// <param name="addsLoss">Whether layers ask for a loss of their own.</param>
    public abstract void WriteRead(CodeWriter writer, string head, bool addsLoss);

    /// <summary>Writes its state, a <c>LayerState</c> with the constructor <c>(MemoryState owner, string prefix)</c>.</summary>
    public abstract void WriteState(CodeWriter writer);
}
