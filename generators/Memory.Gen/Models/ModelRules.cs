using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers;

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
        root.CheckPositive("Dim", model.Dim, "features", Limits.Dim, WidthFor(mixers));
        if (mixers.Length == 0)
            root.Add("MEMGEN007", "", model.Type.Name, "no mixer attribute", "add [SlidingAttention(Heads = 8)] or [LinearMemory(Heads = 8)]");
        if (declaration.IsModel)
            CheckModel(model, root, mixers);
        else
            CheckLayer(model, mixers);
        CheckWrappers(declaration, model, errors, mixers);
        for (int i = 0; i < mixers.Length; i++)
            MemoryKinds.Of(model.Mixers[i].Kind).Check(model.Mixers[i].Spec, System.Math.Min(model.Dim, Limits.Dim), mixers[i]);
        return errors.ToEquatableArray();
    }

    // An example for messages: the least width from 256 on that all heads divide into heads of an even size.
    private static int WidthFor(ErrorList[] mixers)
    {
        int[] heads = mixers.Select(m => m.Spec.Int("Heads")).Where(h => h >= 1).ToArray();
        int width = Enumerable.Range(256, Limits.HeadFeatures).FirstOrDefault(w => heads.All(h => w % (2L * h) == 0));
        return width > 0 ? width : 256;
    }

    private static void CheckModel(ModelSpec model, ErrorList root, ErrorList[] mixers)
    {
        root.CheckPositive("VocabSize", model.VocabSize, "tokens", Limits.VocabSize, example: 256);
        foreach (ErrorList owner in mixers.Prepend(root))
            if (owner.Spec.FeedForward is { } width)
                owner.CheckRange("FeedForward", width, 0, Limits.FeedForward);
        PatternRules.Check(model, root, mixers);
    }

    private static void CheckWrappers(Declaration declaration, ModelSpec model, List<SpecError> errors, ErrorList[] mixers)
    {
        ErrorList[] wrappers = declaration.Wrappers.Select(w => new ErrorList(errors, w.Index, w.Spec)).ToArray();
        if (wrappers.Length == 0)
            return;
        if (!declaration.IsModel)
            wrappers[0].Add("MEMGEN222", "", wrappers[0].Spec.Kind, model.Type.Name);
        else if (wrappers.Length > 1)
            wrappers[1].Add("MEMGEN221", "", model.Type.Name, wrappers[0].Spec.Kind, wrappers[1].Spec.Kind);
        WrapperKinds.Of(model.Wrapper!.Kind).Check(model.Wrapper.Spec with { LayerRows = model.Mixers.Zip(mixers, RowsOf).DefaultIfEmpty().Max() }, wrappers[0]);
        int window = model.Wrapper.Spec.SegmentTokens;
        foreach (ErrorList mixer in mixers.Where(m => window > 0 && m.Spec.Has("Window") && m.Spec.Int("Window") is var own && own > window && own <= Limits.Window))
        {
            mixer.Add("MEMGEN111", "Window", Limits.Text(mixer.Spec.Int("Window")), model.Wrapper.Kind, Limits.Text(window));
            mixer.Offer("Window = " + Limits.Text(window), "no Window");
        }

        for (int i = 0; i < mixers.Length && window > 0; i++)
        {
            if (mixers[i].Spec.Int("Window") is < 1 or > Limits.Window || mixers[i].Spec.Int("Window") > window || model.Mixers[i].Spec.SlotsWithin(window) is not var (filled, needed))
                continue;
            int slots = mixers[i].Spec.Int("EideticTokens");
            if (filled >= slots || slots > Limits.EideticTokens)
                continue;
            mixers[i].Add("MEMGEN114", "EideticTokens", Limits.Text(slots), model.Wrapper.Kind, Limits.Text(window), Limits.Text(filled));
            mixers[i].Offer(filled > 0 ? "EideticTokens = " + Limits.Text(filled) : "no EideticTokens", $"SegmentTokens = {Limits.Text(needed)} or more");
        }
    }

    private static long RowsOf(MixerUse mixer, ErrorList errors) => errors.Spec.Int("Window") is >= 1 and <= Limits.Window and var window
        ? System.Math.Min(Limits.Window, System.Math.Max(window, mixer.Spec.SlotsWithin(window)?.Needed ?? 0))
        : 0;

    private static void CheckLayer(ModelSpec model, ErrorList[] mixers)
    {
        if (mixers.Length > 1)
            mixers[1].Add("MEMGEN007", "", model.Type.Name, Limits.Text(mixers.Length) + " mixer attributes", "a [MemoryLayer] is one mixer: keep one");
        foreach (ErrorList mixer in mixers.Take(1))
        {
            if (mixer.Spec.Has("letter"))
                mixer.Add("MEMGEN219", "letter", mixer.Spec.Kind, Limits.Text(mixer.Spec.Letter), "leave the letter out of a [MemoryLayer]");
            if (mixer.Spec.FeedForward is { } width)
                mixer.Unused("FeedForward", Limits.Text(width), "[MemoryLayer]", "a layer is the mixer alone", "[MemoryModel]");
        }
    }
}
