using System.Collections.Generic;
using System.Linq;

namespace Memory.Gen.Generators.Specs;

/// <summary>A class with attributes of Memory.Gen, as it was written: nothing is filled in or judged.</summary>
/// <param name="Type">The class.</param>
/// <param name="Attributes">Its attributes of ours, in the order of the source.</param>
public sealed record Declaration(TypeSpec Type, EquatableArray<AttributeSpec> Attributes)
{
    internal const string ModelKind = "MemoryModel";
    internal const string LayerKind = "MemoryLayer";

    internal bool IsModel => Attributes.Any(a => a.Kind == ModelKind);

    internal bool IsLayer => Attributes.Any(a => a.Kind == LayerKind);

    /// <summary>False where the compiler itself reports something, and a second report would only repeat it.</summary>
    internal bool IsReadable => Attributes.All(a => a.IsReadable);

    /// <summary>The [MemoryModel] attribute, else the [MemoryLayer] attribute, with its position.</summary>
    internal (int Index, AttributeSpec Spec) Root => Indexed.First(a => a.Spec.Kind == (IsModel ? ModelKind : LayerKind));

    /// <summary>Position of the [MemoryLayer] attribute; -1 without one.</summary>
    internal int LayerIndex => Attributes.ToList().FindIndex(a => a.Kind == LayerKind);

    /// <summary>The mixer attributes, with their positions.</summary>
    internal IEnumerable<(int Index, AttributeSpec Spec)> Mixers => Indexed.Where(a => a.Spec.Role == AttributeRole.Mixer);

    /// <summary>The attributes of memories around the stack, with their positions.</summary>
    internal IEnumerable<(int Index, AttributeSpec Spec)> Wrappers => Indexed.Where(a => a.Spec.Role == AttributeRole.Wrapper);

    /// <summary>The declaration after a repair of one attribute.</summary>
    internal Declaration With(int attribute, IReadOnlyList<(string Argument, string? Value)> changes) => this with
    {
        Attributes = Attributes.Select((spec, index) => index == attribute ? spec.With(changes) : spec).ToEquatableArray(),
    };

    private IEnumerable<(int Index, AttributeSpec Spec)> Indexed => Attributes.Select((spec, index) => (index, spec));
}
