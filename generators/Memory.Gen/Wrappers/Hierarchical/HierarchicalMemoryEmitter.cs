using System;
using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Wrappers.Segments;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Wrappers.Hierarchical;

/// <summary>Writes a hierarchical memory around a stack.</summary>
internal sealed class HierarchicalMemoryEmitter(HierarchicalMemorySpec spec, int dim) : WrapperEmitter(spec)
{
    private readonly RecallSpec? recall = spec.Recall;

    private bool HasSensory => spec.SensoryTokens > 0;

    // Whether a summary is of all the tokens that are kept, so that their number has one name.
    private bool SummarizesAllRecent => recall is { IsCausal: true } && spec.RecentTokens == spec.SummaryTokens;

    private bool HasDefaultScale => recall is null || recall.Scale == 1 / Math.Sqrt(recall.Dim);

    public override string? StateName => "HierarchicalState";

    public override string Phrase => "a hierarchical memory around the layers: segments of " + Prose.Count(spec.NewTokens, "new token")
        + (HasSensory ? $", {Prose.Count(spec.SensoryTokens, "sensory token")} in front" : "")
        + (recall is null
            ? ", the memory of the segment before passed on directly"
            : $", a recall over the last {Prose.Count(recall.Slots, "memory", "memories")} asked by a summary of {Prose.Count(spec.SummaryTokens, "token")}")
        + $"; the backbone reads windows of {Prose.Count(spec.SegmentTokens)} rows, each from a fresh state and with positions from 0";

    public override IEnumerable<string> Equations
    {
        get
        {
            string sensory = HasSensory ? $"last {spec.SensoryTokens} of x_{{n-1}} ; " : "";
            if (recall is not null)
            {
                yield return "S_n = last row of backbone([" + (recall.IsOneEnded ? "" : "T_sum ; ") + (recall.IsCausal ? $"last {spec.SummaryTokens} of x_{{n-1}}" : $"first {spec.SummaryTokens} of x_n") + " ; T_sum]),   T_sum learned";
                yield return $"P_n = {Recalled("S_n", Prose.Literal(recall.Scale))},   Mem = [Mem_{{n-{recall.Slots}}} ; ... ; Mem_{{n-1}}],   P_0 learned";
            }
            else
            {
                yield return "P_n = Mem_{n-1},   P_0 learned";
            }

            yield return $"[. ; y_n ; Mem_n] = backbone([P_n ; {sensory}x_n ; P_n])";
        }
    }

    public override string Source =>
        "He, Cao, Qin, Prakriya, Sun, Cong: HMT: Hierarchical Memory Transformer for Efficient Long Context Language Processing (arXiv 2405.06067), section 3."
        + (recall is { IsCausal: true } ? "\nOurs: the summary is of the segment before, in the paper of the segment's own first tokens; so no token sees a later one." : "");

    public override IEnumerable<string> Axes => recall is null ? ["L rows of a window"] : ["L rows of a window", "N memories", "R recall features"];

    public override IReadOnlyList<ModulePart> Parts => recall is null
        ? [ModulePart.Parameter("initial_memory", "Initialize.Normal([1, Dim], deviation: 0.02, device, dtype)", "P_0, [1, D]")]
        :
        [
            ModulePart.Parameter("initial_memory", "Initialize.Normal([1, Dim], deviation: 0.02, device, dtype)", "P_0, [1, D]"),
            ModulePart.Parameter("summary_prompt", "Initialize.Normal([1, Dim], deviation: 0.02, device, dtype)", "T_sum, [1, D]"),
            ModulePart.Linear("recall_query", "Dim", "RecallDim", "W_Q, D -> R"),
            ModulePart.Linear("recall_key", "Dim", "RecallDim", "W_K, D -> R"),
        ];

    public override IEnumerable<string> Members =>
        SegmentWriter.Members.Concat(["BackpropSegments", "Recall", "RecallDim", "RecallScale", "RecallSlots", "RecentTokens", "SensoryTokens", "Summary", "SummaryTokens"]);

    public override IEnumerable<string> Constants
    {
        get
        {
            string sensory = HasSensory ? $", SensoryTokens = {spec.SensoryTokens}" : "";
            yield return $"private const long NewTokens = {spec.NewTokens}{sensory};";
            if (recall is not null)
                yield return $"private const long RecallSlots = {recall.Slots}, RecallDim = {recall.Dim}{(SummarizesAllRecent ? "" : $", SummaryTokens = {spec.SummaryTokens}")};";
            if (recall is not null && !HasDefaultScale)
                yield return $"private const double RecallScale = {Prose.Literal(recall.Scale)};";
            if (spec.RecentTokens > 0)
                yield return $"private const long RecentTokens = {spec.RecentTokens};  // of the text, kept for the next segment";
            if (spec.BackpropSegments is { } depth)
                yield return Backpropagation.Constant(depth);
        }
    }

    public override Size Size => recall is null
        ? new Size(dim, CacheElements: dim, Reach: null, CountElements: spec.RecentTokens)
        : new Size(
            2L * dim * (recall.Dim + 1), CacheElements: dim + ((long)recall.Slots * (dim + recall.Dim)), Reach: null, CountElements: spec.RecentTokens);

    public override long RowsPerSegment => spec.SegmentTokens + spec.SummaryRows;

    public override long FlopsPerSegment => recall is null ? 0 : (4L * dim * recall.Dim) + (2L * recall.Slots * (dim + recall.Dim));

    public override void WriteRead(CodeWriter writer, string head, bool addsLoss)
    {
        string? apart = HasSensory ? "those that begin their text stand apart, for they have no sensory tokens"
            : recall is not null ? "those that begin their text stand apart, for they have nothing to recall" : null;
        SegmentWriter.WriteCalls(writer, head, apart);
        writer.Blank();
        WriteSegment(writer, addsLoss);
        if (recall is not null)
        {
            writer.Blank();
            WriteRecall(writer);
            writer.Blank();
            WriteSummary(writer, recall.IsOneEnded);
        }

        writer.Blank();
        SegmentWriter.WriteBackbone(writer, hasRows: true);
    }

    public override void WriteState(CodeWriter writer)
    {
        writer.Lines("// What is kept of the segments before, and for the rest of the present one.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {StateName} : LayerState");
        string? recent = spec.RecentTokens > 0 ? "public readonly StateTensor Recent;  // [B, RecentTokens], the last ones of the text" : null;
        if (recall is null)
            writer.Lines("public readonly StateTensor Mem;  // [B, 1, D]; of no use in the first segment, which has P_0", recent, "");
        else
            writer.Lines(
                "public readonly StateTensor Memories;  // [B, N, D], the newest last",
                "public readonly StateTensor Keys;  // [B, N, R], Mem W_K as it was when the memory came; without gradients",
                "public readonly StateTensor Prompt;  // [B, 1, D], P of the present segment",
                recent,
                "");
        using (writer.Block($"public {StateName}(MemoryState owner, string prefix) : base(owner, prefix)"))
            writer.Lines(
                recall is null ? "Mem = Cache(\"memory\", 1, Dim);" : "Memories = Cache(\"memories\", RecallSlots, Dim);",
                recall is null ? null : "Keys = Cache(\"keys\", RecallSlots, RecallDim);",
                recall is null ? null : "Prompt = Cache(\"prompt\", 1, Dim);",
                recent is null ? null : "Recent = Counts(\"recent\", RecentTokens);");
    }

    // What a summary recalls.
    private string Recalled(string summary, string scale) =>
        HasDefaultScale ? $"softmax(({summary} W_Q) (Mem W_K)^T / sqrt(R)) Mem" : $"softmax({scale} ({summary} W_Q) (Mem W_K)^T) Mem";

    private void WriteSegment(CodeWriter writer, bool addsLoss)
    {
        string sensory = HasSensory ? "sensory tokens ; " : "";
        writer.Lines($"// A segment, or the part of one that this call reads: its rows of [P ; {sensory}x ; P] through the backbone.");
        using CodeWriter.Scope method = writer.Block("private Tensor ReadSegment(Tensor tokens, AlignedSegment part, State state)");
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            $"var memory = ({StateName})state.Memory;",
            HasSensory ? "long T = tokens.shape[1], front = part.IsFirst ? 1 : 1 + SensoryTokens;" : "long T = tokens.shape[1];");
        string front = HasSensory ? "front" : "1";
        WritePrompt(writer);
        writer.Lines(
            "Tensor x = embedding.call(tokens);  // [B, T, D]",
            "var rows = new TensorList();");
        writer.Lines(
            "if (part.Begins) rows.Add(P);",
            HasSensory ? "if (part.Begins && !part.IsFirst) rows.Add(embedding.call(memory.Recent.Value.narrow(1, RecentTokens - SensoryTokens, SensoryTokens)));" : null,
            "rows.Add(x);",
            "if (part.Ends) rows.Add(P);",
            $"state.Window.Enter(part, before: {front}, behind: 1);",
            $"Tensor h = Backbone(torch.cat(rows, 1), {(addsLoss ? "state.Layers" : "part.IsWhole ? null : state.Layers")});  // [B, L, D]",
            spec.RecentTokens > 0 ? "memory.Recent.Append(tokens);  // the oldest fall out" : null);
        using (writer.Block("if (part.Ends)"))
        {
            writer.Lines("Tensor mem = h.narrow(1, h.shape[1] - 1, 1);  // [B, 1, D]");
            if (recall is null)
                writer.Lines("memory.Mem.Update(mem);");
            else
                writer.Lines(
                    "memory.Memories.Append(mem);  // the oldest falls out",
                    "memory.Keys.Append(Projection.Apply(mem, recall_key).detach());");
            writer.Lines(addsLoss ? "state.Window.Forget();" : "if (!part.IsWhole) state.Window.Forget();");
        }

        writer.Lines("", $"return h.narrow(1, part.Begins ? {front} : 0, T).MoveToOuterDisposeScope();  // [B, T, D]");
    }

    private void WritePrompt(CodeWriter writer)
    {
        bool cuts = spec.BackpropSegments is not null;
        if (recall is null)
        {
            writer.Lines(
                cuts ? "if (part.Begins) memory.Mem.Update(part.Cut(memory.Mem.Value, BackpropSegments + 1));" : null,
                "Tensor P = part.ValueOr(memory.Mem.Value, initial_memory);  // [B, 1, D]");
            return;
        }

        writer.Lines(
            cuts ? "if (part.Begins) memory.Memories.Update(part.Cut(memory.Memories.Value, BackpropSegments + 1));" : null,
            $"if (part.Begins) memory.Prompt.Update(Recall({(recall.IsCausal ? "" : "tokens, ")}part, memory));",
            "Tensor P = memory.Prompt.Value;  // [B, 1, D]");
    }

    private void WriteRecall(CodeWriter writer)
    {
        writer.Lines($"// P = {Recalled("S", "RecallScale")} over the memories of each row; P_0 where there are none yet.");
        using CodeWriter.Scope method = writer.Block($"private Tensor Recall({(recall!.IsCausal ? "" : "Tensor tokens, ")}AlignedSegment part, {StateName} memory)");
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            "if (part.IsFirst)",
            "    return initial_memory.unsqueeze(0).repeat(part.Segments.Count, 1, 1).MoveToOuterDisposeScope();  // [B, 1, D]",
            "long N = part.Most(RecallSlots), first = RecallSlots - N;",
            "Tensor memories = memory.Memories.Value.narrow(1, first, N);  // [B, N, D]",
            "Tensor keys = torch.is_grad_enabled()",
            "    ? Projection.Apply(memories, recall_key)  // [B, N, R], made again, for W_K learns from all memories",
            "    : memory.Keys.Value.narrow(1, first, N);  // [B, N, R]",
            recall.IsCausal
                ? $"Tensor S = Summary(memory.Recent.Value{(SummarizesAllRecent ? "" : ".narrow(1, RecentTokens - SummaryTokens, SummaryTokens)")});  // [B, 1, D]"
                : "Tensor S = Summary(tokens.narrow(1, 0, Math.Min(SummaryTokens, tokens.shape[1])));  // [B, 1, D]",
            "Tensor q = Projection.Apply(S, recall_query);  // [B, 1, R]",
            "Tensor scores = q.matmul(keys.transpose(1, 2))" + (HasDefaultScale ? " / Math.Sqrt(RecallDim)" : " * RecallScale") + ";  // [B, 1, N]",
            "Tensor a = NewestSoftmax.Apply(scores, part.Segments);  // [B, 1, N]",
            "return a.matmul(memories).MoveToOuterDisposeScope();  // [B, 1, D]");
    }

    private static void WriteSummary(CodeWriter writer, bool isOneEnded)
    {
        writer.Lines($"// S: what the backbone makes of the last row of [{(isOneEnded ? "" : "T_sum ; ")}tokens ; T_sum].");
        using CodeWriter.Scope method = writer.Block("private Tensor Summary(Tensor tokens)");
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            "Tensor prompt = summary_prompt.unsqueeze(0).expand(tokens.shape[0], 1, Dim);  // [B, 1, D]",
            $"Tensor h = Backbone(torch.cat(new[] {{ {(isOneEnded ? "" : "prompt, ")}embedding.call(tokens), prompt }}, 1), null);  // [B, L, D]",
            $"return h.narrow(1, tokens.shape[1]{(isOneEnded ? "" : " + 1")}, 1).MoveToOuterDisposeScope();  // [B, 1, D]");
    }
}
