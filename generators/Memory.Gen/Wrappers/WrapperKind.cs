using System;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Wrappers;

/// <summary>One memory around a stack: how its attribute is read, what can be wrong with it, and what is written for it.</summary>
internal abstract class WrapperKind(string name)
{
    /// <summary>The attribute's name without its suffix.</summary>
    public string Name { get; } = name;

    /// <summary>Fills in the defaults.</summary>
    public abstract WrapperSpec Read(AttributeSpec attribute, int dim);

    /// <summary>Adds what is wrong with the spec alone.</summary>
    public abstract void Check(WrapperSpec spec, ErrorList errors);

    /// <summary>What a valid spec adds to the file.</summary>
    public abstract WrapperEmitter Emitter(WrapperSpec spec, int dim);
}

/// <inheritdoc/>
internal sealed class WrapperKind<TSpec>(
    string name,
    Func<AttributeSpec, int, TSpec> read,
    Action<TSpec, ErrorList> check,
    Func<TSpec, int, WrapperEmitter> emitter)
    : WrapperKind(name)
    where TSpec : WrapperSpec
{
    public override WrapperSpec Read(AttributeSpec attribute, int dim) => read(attribute, dim);

    public override void Check(WrapperSpec spec, ErrorList errors) => check((TSpec)spec, errors);

    public override WrapperEmitter Emitter(WrapperSpec spec, int dim) => emitter((TSpec)spec, dim);
}
