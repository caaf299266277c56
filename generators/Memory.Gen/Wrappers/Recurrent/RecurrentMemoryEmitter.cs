using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Wrappers.Segments;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Wrappers.Recurrent;

/// <summary>Writes a recurrent memory around a stack.</summary>
internal sealed class RecurrentMemoryEmitter(RecurrentMemorySpec spec, int dim) : WrapperEmitter(spec)
{
    private bool IsLearned => spec.WriteInit == WriteInit.Learned;

    private bool HasMemory => spec.MemoryTokens > 0;

    public override string? StateName => HasMemory ? "RecurrentState" : null;

    public override string Phrase => !HasMemory
        ? $"segments of {Prose.Count(spec.NewTokens, "token")}, each read from a fresh state and with positions from 0; nothing is passed on"
        : "a recurrent memory around the layers: segments of " + Prose.Count(spec.NewTokens, "new token")
        + $" between {Prose.Count(spec.MemoryTokens, "memory row")} that are read and as many that are written"
        + $"; the backbone reads windows of {Prose.Count(spec.SegmentTokens)} rows, each from a fresh state and with positions from 0";

    public override IEnumerable<string> Equations =>
    [
        !HasMemory ? "y_n = backbone(x_n)" :
        $"[. ; y_n ; M_n] = backbone([M_{{n-1}} ; x_n ; {(IsLearned ? "M_w" : "M_{n-1}")}]),   M_0{(IsLearned ? " and M_w" : "")} learned",
    ];

    public override string Source => !HasMemory ? "What the memories of HMT (arXiv 2405.06067) and RMT (arXiv 2207.06881) are compared with."
        : "Bulatov, Kuratov, Burtsev: Recurrent Memory Transformer (arXiv 2207.06881), section 3."
        + (IsLearned ? "\nOurs: the written rows begin as learned ones, in the paper as M_{n-1}." : "");

    public override IEnumerable<string> Axes => HasMemory ? ["L rows of a window", "N memory rows"] : [];

    public override IReadOnlyList<ModulePart> Parts => !HasMemory ? [] :
    [
        ModulePart.Parameter("initial_memory", "Initialize.Normal([MemoryTokens, Dim], deviation: 0.02, device, dtype)", "M_0, [N, D]"),
        .. IsLearned ? [ModulePart.Parameter("write_memory", "Initialize.Normal([MemoryTokens, Dim], deviation: 0.02, device, dtype)", "M_w, [N, D]")] : System.Array.Empty<ModulePart>(),
    ];

    public override IEnumerable<string> Members => SegmentWriter.Members.Concat(["BackpropSegments", "MemoryTokens"]);

    public override IEnumerable<string> Constants
    {
        get
        {
            yield return $"private const long NewTokens = {spec.NewTokens}{(HasMemory ? $", MemoryTokens = {spec.MemoryTokens}" : "")};";
            if (spec.BackpropSegments is { } depth)
                yield return Backpropagation.Constant(depth);
        }
    }

    public override Size Size => new((IsLearned ? 2L : 1L) * spec.MemoryTokens * dim, CacheElements: (long)spec.MemoryTokens * dim, Reach: HasMemory ? null : spec.NewTokens - 1);

    public override long? StretchTokens => HasMemory ? base.StretchTokens : spec.NewTokens;

    public override long RowsPerSegment => spec.SegmentTokens;

    public override long FlopsPerSegment => 0;

    public override void WriteRead(CodeWriter writer, string head, bool addsLoss)
    {
        SegmentWriter.WriteCalls(writer, head, null);
        writer.Blank();
        if (HasMemory)
            WriteSegment(writer, addsLoss);
        else
            WriteBareSegment(writer, addsLoss);
        writer.Blank();
        SegmentWriter.WriteBackbone(writer, hasRows: HasMemory);
    }

    private static void WriteBareSegment(CodeWriter writer, bool addsLoss)
    {
        writer.Lines("// A segment, or the part of one that this call reads.");
        using CodeWriter.Scope method = writer.Block("private Tensor ReadSegment(Tensor tokens, AlignedSegment part, State state)");
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            "state.Window.Enter(part, before: 0, behind: 0);",
            $"Tensor h = Backbone(embedding.call(tokens), {(addsLoss ? "state.Layers" : "part.IsWhole ? null : state.Layers")});",
            addsLoss ? "if (part.Ends) state.Window.Forget();" : "if (part.Ends && !part.IsWhole) state.Window.Forget();",
            "return h.MoveToOuterDisposeScope();  // [B, T, D]");
    }

    private void WriteSegment(CodeWriter writer, bool addsLoss)
    {
        writer.Lines($"// A segment, or the part of one that this call reads: its rows of [M ; x ; {(IsLearned ? "M_w" : "M")}] through the backbone.");
        using (writer.Block("private Tensor ReadSegment(Tensor tokens, AlignedSegment part, State state)"))
        {
            writer.Lines(
                "using var scope = torch.NewDisposeScope();",
                $"var memory = ({StateName})state.Memory;",
                IsLearned ? "long B = tokens.shape[0], T = tokens.shape[1];" : "long T = tokens.shape[1];",
                spec.BackpropSegments is null ? null : "if (part.Begins) memory.M.Update(part.Cut(memory.M.Value, BackpropSegments + 1));",
                "Tensor M = part.ValueOr(memory.M.Value, initial_memory);  // [B, N, D]",
                "Tensor x = embedding.call(tokens);  // [B, T, D]",
                "var rows = new TensorList();",
                "if (part.Begins) rows.Add(M);",
                "rows.Add(x);",
                IsLearned ? "if (part.Ends) rows.Add(write_memory.unsqueeze(0).expand(B, MemoryTokens, Dim));" : "if (part.Ends) rows.Add(M);",
                "state.Window.Enter(part, before: MemoryTokens, behind: MemoryTokens);",
                $"Tensor h = Backbone(torch.cat(rows, 1), {(addsLoss ? "state.Layers" : "part.IsWhole ? null : state.Layers")});  // [B, L, D]");
            using (writer.Block("if (part.Ends)"))
                writer.Lines(
                    "memory.M.Update(h.narrow(1, h.shape[1] - MemoryTokens, MemoryTokens));",
                    addsLoss ? "state.Window.Forget();" : "if (!part.IsWhole) state.Window.Forget();");
            writer.Lines("", "return h.narrow(1, part.Begins ? MemoryTokens : 0, T).MoveToOuterDisposeScope();  // [B, T, D]");
        }
    }

    public override void WriteState(CodeWriter writer)
    {
        writer.Lines("// What the segment before has left to the present one.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {StateName} : LayerState");
        writer.Lines("public readonly StateTensor M;  // [B, N, D]; of no use in the first segment, which has M_0", "");
        using (writer.Block($"public {StateName}(MemoryState owner, string prefix) : base(owner, prefix)"))
            writer.Lines("M = Cache(\"memory\", MemoryTokens, Dim);");
    }
}
