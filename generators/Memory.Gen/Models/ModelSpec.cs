using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using Memory.Gen.Generators.Memories;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers;

namespace Memory.Gen.Generators.Models;

/// <summary>A mixer of a model.</summary>
/// <param name="Kind">The name of its attribute.</param>
/// <param name="Spec">What was declared, defaults filled in.</param>
/// <param name="FeedForward">Hidden width after it in its layers; 0 for none.</param>
public sealed record MixerUse(string Kind, MixerSpec Spec, int FeedForward);

/// <summary>The memory around a model's layers.</summary>
/// <param name="Kind">The name of its attribute.</param>
/// <param name="Spec">What was declared, defaults filled in.</param>
public sealed record WrapperUse(string Kind, WrapperSpec Spec);

/// <summary>A whole declaration with its defaults filled in.</summary>
/// <param name="Type">The class.</param>
/// <param name="IsModel">True for [MemoryModel], false for [MemoryLayer].</param>
/// <param name="VocabSize">Number of tokens.</param>
/// <param name="Dim">Width.</param>
/// <param name="TiedEmbeddings">Whether the head is the embedding.</param>
/// <param name="Mixers">The mixers, in the order of their attributes.</param>
/// <param name="Pattern">One letter a layer; empty where one mixer serves all layers.</param>
/// <param name="Layers">Number of layers.</param>
/// <param name="Wrapper">The memory around them; null for none.</param>
public sealed record ModelSpec(
    TypeSpec Type,
    bool IsModel,
    int VocabSize,
    int Dim,
    bool TiedEmbeddings,
    EquatableArray<MixerUse> Mixers,
    string Pattern,
    int Layers,
    WrapperUse? Wrapper)
{
    /// <summary>Fills in the defaults of a declaration, right or wrong.</summary>
    public static ModelSpec Fold(Declaration declaration)
    {
        AttributeSpec root = declaration.Root.Spec;
        int dim = root.Int("Dim");
        int feedForward = declaration.IsModel ? root.FeedForward ?? DefaultFeedForward(dim) : 0;
        WrapperUse? wrapper = declaration.Wrappers.Select(w => new WrapperUse(w.Spec.Kind, WrapperKinds.Of(w.Spec.Kind).Read(w.Spec, dim))).FirstOrDefault();
        string pattern = new(root.String("Pattern")?.Where(c => !char.IsWhiteSpace(c)).ToArray() ?? []);
        return new ModelSpec(
            declaration.Type,
            declaration.IsModel,
            root.Int("VocabSize"),
            dim,
            root.Bool("TiedEmbeddings", absent: false),
            declaration.Mixers.Select(m => MemoryKinds.Of(m.Spec.Kind).Read(m.Spec, dim) is var spec
                ? new MixerUse(m.Spec.Kind, wrapper is null ? spec : spec.Within(System.Math.Min(wrapper.Spec.SegmentTokens, Limits.Window)), spec.FeedForward ?? feedForward) : null!).ToEquatableArray(),
            pattern,
            root.Has("Pattern") ? pattern.Length : root.Int("Layers", absent: declaration.IsModel ? 0 : 1),
            wrapper);
    }

    /// <summary>The mixer of every layer.</summary>
    internal IEnumerable<MixerUse> Order => Pattern.Length == 0
        ? Enumerable.Repeat(Mixers[0], Layers)
        : Pattern.Select(letter => Mixers.First(m => m.Spec.Letter == letter));

    /// <summary>A hash of everything that decides parameters, numbers and state; two ways to say the same have the same.</summary>
    internal string Hash
    {
        get
        {
            var text = new StringBuilder();
            text.Append(string.Format(
                CultureInfo.InvariantCulture, "{0} vocabulary={1} width={2} tied={3}\n", IsModel ? "model" : "layer", VocabSize, Dim, TiedEmbeddings));
            foreach (MixerUse mixer in Order)
                text.Append(mixer.Spec.Canonical).Append(" feed_forward=").Append(mixer.FeedForward.ToString(CultureInfo.InvariantCulture)).Append('\n');
            if (Wrapper is not null)
                text.Append(Wrapper.Spec.Canonical).Append('\n');
            return Fnv1a(text.ToString());
        }
    }

    /// <summary>8/3 of the width, rounded up to a multiple of 32.</summary>
    private static int DefaultFeedForward(int dim) => (int)(((8L * dim) + 95) / 96 * 32);

    private static string Fnv1a(string text)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in Encoding.UTF8.GetBytes(text))
            hash = unchecked((hash ^ b) * 1099511628211);
        return hash.ToString("x16", CultureInfo.InvariantCulture);
    }
}
