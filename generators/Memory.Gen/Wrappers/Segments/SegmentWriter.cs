using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Wrappers.Segments;

/// <summary>Writes how a call is cut into segments, which all wrappers do alike.</summary>
internal static class SegmentWriter
{
    /// <summary>The members that this adds to the declared class.</summary>
    public static readonly string[] Members = ["Backbone", "NewTokens", "ReadRows", "ReadSegment"];

    /// <summary>Writes Read, ReadRows and Backbone; ReadSegment is the wrapper's own.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="head">What gives the logits.</param>
    /// <param name="firstApart">Why rows that begin their text cannot be read with others; null where they can.</param>
    public static void WriteCalls(CodeWriter writer, string head, string? firstApart)
    {
        string place = firstApart is null ? "position => position % NewTokens" : "position => position < NewTokens ? position : NewTokens + (position % NewTokens)";
        writer.Comment("Rows at the same place of their segments are read together" + (firstApart is null ? "." : $"; {firstApart}."));
        writer.Lines(
            "private Tensor Read(Tensor tokens, State state, bool last) =>",
            $"    SegmentRows.Read(tokens, state, {place}, NewState, (part, rows) => ReadRows(part, rows, last));",
            "");
        using (writer.Block("private Tensor ReadRows(Tensor tokens, State state, bool last)"))
            writer.Lines(
                "using var scope = torch.NewDisposeScope();",
                "var hidden = new TensorList { embedding.call(tokens.narrow(1, 0, 0)) };  // [B, 0, D], for a call without tokens",
                "foreach (AlignedSegment part in AlignedSegment.Of(tokens.shape[1], NewTokens, state))",
                "    hidden.Add(ReadSegment(part.Of(tokens), part, state));",
                "Tensor h = torch.cat(hidden, 1);  // [B, T, D]",
                "if (last) h = h.select(1, -1);  // [B, D]",
                $"return Projection.Apply(h, {head}).MoveToOuterDisposeScope();  // [B, T, VocabSize] or [B, VocabSize]");
    }

    /// <summary>Writes Backbone.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="hasRows">Whether a window has rows beside its tokens.</param>
    public static void WriteBackbone(CodeWriter writer, bool hasRows)
    {
        writer.Lines("// Rows of a window through all layers and the last norm; without states they are a window from its first row on.");
        using CodeWriter.Scope method = writer.Block("private Tensor Backbone(Tensor x, LayerState[]? states)");
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            "for (int i = 0; i < LayerCount; i++)",
            "    x = layers[i].call(x, states?[i]);",
            $"return norm.call(x).MoveToOuterDisposeScope();  // [B, {(hasRows ? "L" : "T")}, D]");
    }
}
