using System.Collections.Generic;

namespace Memory.Gen.Generators.Writing;

/// <summary>What one kind of memory contributes to the emitted file.</summary>
internal abstract class MixerEmitter
{
    /// <summary>Name of its module in the file, unless two mixers would share it: <c>GatedDeltaMemory</c>.</summary>
    public abstract string ModuleName { get; }

    /// <summary>Name of its state in the file: <c>GatedDeltaState</c>.</summary>
    public abstract string StateName { get; }

    /// <summary>What it is, in one phrase without a full stop.</summary>
    public abstract string Phrase { get; }

    /// <summary>Its equations, one line each.</summary>
    public abstract IEnumerable<string> Equations { get; }

    /// <summary>Where they come from: authors, title, section; paragraphs with <c>\n</c> between them.</summary>
    public abstract string Source { get; }

    /// <summary>The axis letters it uses beside B, T and D, each with its word: <c>H heads</c>.</summary>
    public abstract IEnumerable<string> Axes { get; }

    /// <summary>A memory inside it, whose module has axes of its own: what it is called, and these; null for none.</summary>
    public virtual (string Name, IEnumerable<string> Axes)? Inner => null;

    /// <summary>Its sizes for one layer.</summary>
    public abstract Size Size { get; }

    /// <summary>Tokens, counted from the beginning of a text, between places where its state is cut from what made it; null where it is cut nowhere.</summary>
    public virtual long? StretchTokens => null;

    /// <summary>
    /// What the loss does that its layers ask for beside the task's, which they can do in a state alone: <c>balances the router</c>;
    /// null where they ask for none.
    /// </summary>
    public virtual string? Loss => null;

    /// <summary>
    /// Whether its constructor begins with <c>double depth</c>, the share of the model's layers that stand before this one: 0 for the
    /// first, and for a layer alone.
    /// </summary>
    public virtual bool TakesDepth => false;

    /// <summary>Writes its module, <c>nn.Module&lt;Tensor, LayerState?, Tensor&gt;</c> with features [B, T, D] in and out,
    /// whose last projection is the field <c>output</c>: its weight tells device and dtype.</summary>
    public abstract void WriteModule(CodeWriter writer, string module, string state);

    /// <summary>Writes its state, a <c>LayerState</c> with the constructor <c>(MemoryState owner, string prefix)</c>.</summary>
    public abstract void WriteState(CodeWriter writer, string state);
}
