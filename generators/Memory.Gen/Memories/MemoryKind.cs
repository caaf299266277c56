using System;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories;

/// <summary>One architecture: how its attribute is read, what can be wrong with it, and what is written for it.</summary>
internal abstract class MemoryKind(string name)
{
    /// <summary>The attribute's name without its suffix.</summary>
    public string Name { get; } = name;

    /// <summary>Fills in the defaults.</summary>
    public abstract MixerSpec Read(AttributeSpec attribute, int dim);

    /// <summary>Adds what is wrong with the spec alone.</summary>
    public abstract void Check(MixerSpec spec, int dim, ErrorList errors);

    /// <summary>What a valid spec adds to the file.</summary>
    public abstract MixerEmitter Emitter(MixerSpec spec, int dim);
}

/// <inheritdoc/>
internal sealed class MemoryKind<TSpec>(
    string name,
    Func<AttributeSpec, int, TSpec> read,
    Action<TSpec, int, ErrorList> check,
    Func<TSpec, int, MixerEmitter> emitter)
    : MemoryKind(name)
    where TSpec : MixerSpec
{
    public override MixerSpec Read(AttributeSpec attribute, int dim) => read(attribute, dim);

    public override void Check(MixerSpec spec, int dim, ErrorList errors) => check((TSpec)spec, dim, errors);

    public override MixerEmitter Emitter(MixerSpec spec, int dim) => emitter((TSpec)spec, dim);
}
