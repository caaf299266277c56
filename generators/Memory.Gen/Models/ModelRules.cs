using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Models;

/// <summary>Everything that can be wrong with a declaration. Pure: the generator decides by it, the analyzer reports it.</summary>
internal static class ModelRules
{
    /// <summary>The rules that a declaration breaks; none means that its file can be written.</summary>
    public static EquatableArray<SpecError> Check(Declaration declaration)
    {
        var errors = new List<SpecError>();
        TypeRules.Check(declaration, errors);

        ModelSpec model = ModelSpec.Fold(declaration);
        var root = new ErrorList(errors, declaration.Root.Index, declaration.Root.Spec);
        ErrorList[] mixers = declaration.Mixers.Select(m => new ErrorList(errors, m.Index, m.Spec)).ToArray();
        if (declaration.IsModel && declaration.IsLayer)
            errors.Add(new SpecError("MEMGEN009", declaration.LayerIndex, "", new[] { model.Type.Name }.ToEquatableArray()));
        root.CheckPositive("Dim", model.Dim, "features", Limits.Dim, example: 256);
        if (mixers.Length == 0)
            root.Add("MEMGEN007", "", model.Type.Name, "no mixer attribute", "add [SlidingAttention(Heads = 8)] or [LinearMemory(Heads = 8)]");
        if (declaration.IsModel)
            CheckModel(model, root, mixers);
        else
            CheckLayer(model, mixers);
        for (int i = 0; i < mixers.Length; i++)
            MemoryKinds.Of(model.Mixers[i].Kind).Check(model.Mixers[i].Spec, System.Math.Min(model.Dim, Limits.Dim), mixers[i]);
        return errors.ToEquatableArray();
    }

    private static void CheckModel(ModelSpec model, ErrorList root, ErrorList[] mixers)
    {
        root.CheckPositive("VocabSize", model.VocabSize, "tokens", Limits.VocabSize, example: 256);
        foreach (ErrorList owner in mixers.Prepend(root))
            if (owner.Spec.FeedForward is { } width)
                owner.CheckRange("FeedForward", width, 0, Limits.FeedForward);
        PatternRules.Check(model, root, mixers);
    }

    private static void CheckLayer(ModelSpec model, ErrorList[] mixers)
    {
        if (mixers.Length > 1)
            mixers[1].Add("MEMGEN007", "", model.Type.Name, Limits.Text(mixers.Length) + " mixer attributes", "a [MemoryLayer] is one mixer: keep one");
        foreach (ErrorList mixer in mixers.Take(1))
        {
            if (mixer.Spec.Has("letter"))
                mixer.Add("MEMGEN219", "letter", mixer.Spec.Kind, mixer.Spec.Letter.ToString(), "leave the letter out of a [MemoryLayer]");
            if (mixer.Spec.FeedForward is { } width)
                mixer.Add("MEMGEN204", "FeedForward", "FeedForward", Limits.Text(width), "[MemoryLayer]", "a layer is the mixer alone", "[MemoryModel], or no FeedForward");
        }
    }
}
