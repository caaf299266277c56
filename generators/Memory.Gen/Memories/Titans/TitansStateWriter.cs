using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>Writes the state of a Titans layer.</summary>
internal static class TitansStateWriter
{
    /// <summary>The field of what a convolution still needs.</summary>
    public static string TailField(string projection) => char.ToUpperInvariant(projection[0]) + projection.Substring(1) + "Tail";

    /// <summary>The fields of the weights that a segment began with; none where a segment is a block.</summary>
    public static string[] SegmentFields(TitansSpec spec) => spec.Variant != TitansVariant.Context || spec.Block == spec.Window
        ? []
        : NeuralMemoryWriter.WeightNames(spec).Select(name => "Segment" + name.Replace("weights", "Weights").Replace("_", "")).ToArray();

    public static void Write(CodeWriter writer, TitansSpec spec, int headDim, string state)
    {
        long features = (long)spec.Heads * headDim, pairs = spec.Variant == TitansVariant.Context ? 2 : 1;
        string[] tails = !spec.HasConvolution ? [] : spec.Variant == TitansVariant.Context ? ["recall", "query", "key", "value"] : ["query", "key", "value"];
        string[] segments = SegmentFields(spec);
        long[] widths = spec.Widths(headDim);
        writer.Comment("What is kept of a sequence: " + Prose.List("the memory", spec.HasConvolution ? "the last inputs of its convolutions" : null, spec.HasAttention ? "what the attention still sees" : null) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        writer.Lines(
            tails.Length > 0 ? $"public readonly StateTensor {string.Join(", ", tails.Select(TailField))};  // [B, {spec.ConvWidth - 1}, H*K], what the convolutions still need" : null,
            "public readonly TitansBlocks Blocks;  // the memory when the running block began, and the block's tokens so far",
            segments.Length > 0 ? $"public readonly StateTensor {string.Join(", ", segments)};  // the memory when the running segment began" : null,
            spec.HasAttention ? $"public readonly StateTensor Keys, Values;  // [B, {(pairs == 2 ? "2(w-1)" : "w-1")}, H, K]" : null,
            "");
        using (writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)"))
        {
            foreach (string tail in tails)
                writer.Lines($"{TailField(tail)} = Cache(\"{tail}_tail\", {spec.ConvWidth - 1}, {features});");
            writer.Lines(
                $"Blocks = new TitansBlocks(this, \"memory\", heads: {spec.Heads}, widths: [{string.Join(", ", widths)}], block: {spec.Block}"
                + $"{(spec.Momentum ? "" : ", momentum: false")}{(spec.Forgetting ? "" : ", forgetting: false")}{(spec.GatedLinearUnit ? ", gatedLinearUnit: true" : "")});");
            for (int l = 0; l < segments.Length; l++)
                writer.Lines($"{segments[l]} = Memory(\"segment_{NeuralMemoryWriter.WeightNames(spec)[l]}\", {spec.Heads}, {widths[spec.Enters(l) ? 0 : l]}, {widths[spec.Enters(l) ? 1 : l + 1]});");
            if (spec.HasAttention)
                foreach (string name in new[] { "Keys", "Values" })
                    writer.Lines($"{name} = Cache(\"{name.ToLowerInvariant()}\", {pairs * (spec.Window - 1)}, {spec.Heads}, {headDim});");
        }
    }
}
