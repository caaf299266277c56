using System;
using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>What an emitted file says about itself before it starts: words, equations, sources, sizes, axes.</summary>
internal static class ModelHeader
{
    private const int ShownLayers = 24;

    public static IEnumerable<string> Lines(ModelSpec model, EmittedMixer[] mixers, Size size, WrapperEmitter? wrapper = null)
    {
        yield return $"{model.Type.Name}, written by {SourceFile.Tool} {SourceFile.Version} from the attributes on its declaration.";
        yield return "";
        foreach (string line in Prose.Wrap(Words(model, mixers)))
            yield return line;
        foreach (EmittedMixer mixer in mixers)
        {
            yield return "";
            foreach (string line in Mixer(mixer))
                yield return line;
        }

        foreach (string line in wrapper is null ? [] : Around(wrapper, isSeen: mixers.Any(m => m.Emitter.Size.Reach != 0)))
            yield return line;
        yield return "";
        yield return Sizes(size);
        foreach (string line in Prose.Wrap("Axes: " + string.Join("; ", Axes(mixers, wrapper)) + "."))
            yield return line;
    }

    /// <summary>Parameters and state, as header and summary state them.</summary>
    public static string Sizes(Size size)
    {
        long bytes = (4 * (size.MemoryElements + size.CacheElements)) + (8 * size.CountElements) + 8;
        string state = size.CacheElementsPerToken > 0
            ? $"State: {Prose.Count(bytes)} bytes a sequence in float32, and {Prose.Count(4 * size.CacheElementsPerToken)} more for each token read."
            : $"State: {Prose.Count(bytes)} bytes a sequence in float32, whatever the length.";
        return $"Parameters: {Prose.Count(size.Parameters)}.  {state}";
    }

    /// <summary>FLOPs, receptive field and stretches, as the card's summary and the class's remarks state them.</summary>
    public static string Cost(Size size, bool isAverage)
    {
        string growth = size.FlopsPerTokenOfContext > 0 ? $", and {Prose.Count(size.FlopsPerTokenOfContext)} more for each token of context" : "";
        string field = size.Reach is { } reach ? Prose.Count(reach + 1, "token") : "unbounded";
        string stretch = size.StretchTokens is { } tokens ? $"  Gradients: within stretches of {Prose.Count(tokens, "token")}." : "";
        return $"Cost: {Prose.Count(size.FlopsPerToken)} FLOPs a token{(isAverage ? ", a segment's spread over its new tokens" : "")}{growth}.  Receptive field: {field}.{stretch}";
    }

    /// <summary>How to train what has a loss beside the task's, as the class's remarks and forward's state it; null for the others.</summary>
    public static string? Training(EmittedMixer[] mixers)
    {
        string does = Prose.List(mixers.Select(m => m.Emitter.Loss).Distinct().ToArray());
        return does.Length == 0 ? null : $"To train, Prefill a new state and add its AuxiliaryLoss, which {does}; call and forward leave that out.";
    }

    /// <summary>What an editor shows of the class: what it is and which memories it has; in lines of a documentation comment.</summary>
    public static string Summary(ModelSpec model, EmittedMixer[] mixers, WrapperEmitter? wrapper = null)
    {
        IEnumerable<string> sentences = model.IsModel
            ? [Sentence(model), .. mixers.Select(m => Labelled(m, FirstPart(m.Emitter.Phrase, ", "))), .. wrapper is null ? [] : new[] { Prose.Capital(FirstPart(FirstPart(wrapper.Phrase, ", "), ": ")) + "." }]
            : [$"A memory layer of width {Prose.Count(model.Dim)}.", Labelled(mixers[0], mixers[0].Emitter.Phrase)];
        return string.Join("\n/// ", Prose.Wrap(string.Join(" ", sentences)));
    }

    private static string FirstPart(string phrase, string end) => phrase.IndexOf(end, StringComparison.Ordinal) is >= 0 and var length ? phrase.Substring(0, length) : phrase;

    private static string Labelled(EmittedMixer mixer, string phrase) => mixer.Letter == '\0' ? Prose.Capital(phrase) + "." : mixer.Letter + ": " + phrase + ".";

    private static string Sentence(ModelSpec model) =>
        $"A language model over {Prose.Count(model.VocabSize, "symbol")}: {Prose.Count(model.Layers, "layer")}"
            + (model.Pattern.Length is > 0 and <= ShownLayers ? " in the order " + model.Pattern : "")
            + $", width {Prose.Count(model.Dim)}.";

    private static string Words(ModelSpec model, EmittedMixer[] mixers) => !model.IsModel
        ? $"A memory layer of width {Prose.Count(model.Dim)}: features come in and go out; norm, residual and what follows are the caller's."
        : Sentence(model) + " A layer adds its mixer's output to the stream" + FeedForward(mixers)
            + ", each behind an RMS norm. A last norm and "
            + (model.TiedEmbeddings ? "the embedding's own weights give the logits." : "a linear head give the logits.");

    private static string FeedForward(EmittedMixer[] mixers)
    {
        int[] widths = mixers.Select(m => m.Use.FeedForward).Distinct().ToArray();
        if (widths.Length == 1)
            return widths[0] == 0 ? "" : $", then a SwiGLU network's of hidden width {Prose.Count(widths[0])}";
        return ", then a SwiGLU network's ("
            + string.Join(", ", mixers.Select(m => m.Letter + ": " + (m.Use.FeedForward == 0 ? "none" : "hidden width " + Prose.Count(m.Use.FeedForward)))) + ")";
    }

    private static IEnumerable<string> Mixer(EmittedMixer mixer)
    {
        foreach (string line in Prose.Wrap(Labelled(mixer, mixer.Emitter.Phrase)))
            yield return line;
        foreach (string equation in mixer.Emitter.Equations)
            yield return "     " + equation;
        foreach (string line in mixer.Emitter.Source.Split('\n').SelectMany(Prose.Wrap))
            yield return "   " + line;
    }

    // Where each row of a window sees itself alone, so do those of the memory.
    private static IEnumerable<string> Around(WrapperEmitter wrapper, bool isSeen)
    {
        yield return "";
        foreach (string line in Prose.Wrap(Prose.Capital(wrapper.Phrase) + "."))
            yield return line;
        foreach (string equation in wrapper.Equations)
            yield return "     " + equation;
        if (!isSeen && wrapper.Parts.Count > 0)
            yield return "     no row of a window sees another: nothing trains " + Prose.List(wrapper.Parts.Select(p => FirstPart(p.Axes!, ",")).ToArray());
        foreach (string line in wrapper.Source.Split('\n').SelectMany(Prose.Wrap))
            yield return "   " + line;
    }

    // The letters that the whole file shares, then those of each part: two parts may use one letter for different things.
    private static IEnumerable<string> Axes(EmittedMixer[] mixers, WrapperEmitter? wrapper)
    {
        bool isAlone = mixers.Length == 1 && wrapper is null;
        IEnumerable<string> shared = new[] { "B batch", "T tokens", "D width" }
            .Concat(mixers.Any(m => m.Use.FeedForward > 0) ? ["F feed-forward width"] : [])
            .Concat(isAlone ? mixers[0].Emitter.Axes : []);
        yield return string.Join(", ", shared);
        foreach (EmittedMixer mixer in mixers)
        {
            string letter = mixer.Letter == '\0' ? "" : mixer.Letter.ToString();
            if (!isAlone)
                yield return $"in {(letter.Length > 0 ? letter : "a layer")}: {string.Join(", ", mixer.Emitter.Axes)}";
            if (mixer.Emitter.Inner is { } inner)
                yield return $"in {inner.Name}{(letter.Length > 0 ? " of " + letter : "")}: {string.Join(", ", inner.Axes)}";
        }

        if (wrapper is not null && wrapper.Axes.Any())
            yield return "around the layers: " + string.Join(", ", wrapper.Axes);
    }
}
