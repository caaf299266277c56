using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>Writes what a B'MOJO layer does with a call's tokens.</summary>
internal sealed class BMojoForward(BMojoSpec spec)
{
    private bool IsGrouped => spec.KeyValueHeads != spec.Heads;

    private string KeyValueHeads => IsGrouped ? "KeyValueHeads" : "Heads";

    private string KeyAxes => IsGrouped ? "[B, T, G, K]" : "[B, T, H, K]";

    private bool HasChunks => spec.HasEidetic || spec.IsBlocked;

    public void Write(CodeWriter writer, string state)
    {
        using CodeWriter.Scope method = writer.Block("public override Tensor forward(Tensor x, LayerState? layer)");
        writer.Lines(Head(state).ToArray());
        writer.Lines(Window().ToArray());
        if (spec.HasFading)
            writer.Lines(Fading().Prepend("").ToArray());
        if (spec.HasEidetic)
            WriteEidetic(writer);
        writer.Lines(Read().Prepend("").ToArray());
        writer.Lines(Kept().ToArray());
        writer.Lines("return Projection.Apply(z.reshape(B, T, Heads * HeadDim), output).MoveToOuterDisposeScope();  // [B, T, D]");
    }

    private IEnumerable<string> Head(string state)
    {
        yield return "using var scope = torch.NewDisposeScope();";
        yield return "// What is remembered goes through a state; a call without one has its own.";
        yield return "using MemoryState? own = layer is null ? MemoryState.ForOneCall(x) : null;";
        yield return $"var state = ({state})(layer ?? new {state}(own!, \"mixer\"));";
        yield return "long B = x.shape[0], T = x.shape[1];";
        if (spec.HasPositions || (spec.HasEidetic && spec.Score is BMojoScore.Random or BMojoScore.Recency))
            yield return "Tensor positions = Rotary.Positions(x, state.Positions);  // [B, T]" + (spec.HasPositions ? "" : ", for the scores");
    }

    private IEnumerable<string> Window()
    {
        if (spec.HasWindow)
            yield return "var (queries, keys, values) = Projection.Apply(x, query, key, value);";
        yield return $"Tensor q = {Turned(spec.HasWindow ? "queries" : "Projection.Apply(x, query)", "Heads", "query_norm")};  // [B, T, H, K]";
        if (!spec.HasWindow)
            yield break;
        yield return $"Tensor k = {Turned("keys", KeyValueHeads, "key_norm")};  // {KeyAxes}";
        yield return $"Tensor v = values.view(B, T, {KeyValueHeads}, HeadDim);  // {KeyAxes}";
    }

    private IEnumerable<string> Fading()
    {
        yield return "// The fading memory: what a recurrence makes of the whole past.";
        yield return spec.HasResidual
            ? "var (y, e) = fading.call(x, state.Fading);  // [B, T, D], and its innovation [B, T]"
            : "Tensor y = fading.call(x, state.Fading);  // [B, T, D]";
        string own = spec.TiedProjections ? "" : "fading_";
        yield return $"var (fadingKeys, fadingValues) = Projection.Apply(y, {own}key, {own}value);";
        yield return $"Tensor fk = {Turned("fadingKeys", KeyValueHeads, "key_norm")};  // {KeyAxes}";
        yield return $"Tensor fv = fadingValues.view(B, T, {KeyValueHeads}, HeadDim);  // {KeyAxes}";
        string past = spec.KeptFading > 0 ? ", PastKeys: state.FadedKeys.Value, PastValues: state.FadedValues.Value" : "";
        string places = (spec.FadingStride > 1 ? ", FadingStride" : "") + (spec.FadingOffset is { } offset ? $", Offset: {offset}" : "");
        yield return $"var faded = new FadingKeys(fk, fv, FadingTokens{places}{past});";
    }

    private void WriteEidetic(CodeWriter writer)
    {
        writer.Lines("", spec.KeepsNewest && spec.Threshold is null
            ? "// The eidetic memory: exactly, the tokens that left the window last."
            : "// The eidetic memory: exactly, the older tokens with the largest scores.");
        if (spec.HasPredictor)
        {
            writer.Lines(
                "Tensor seen = torch.cat(new[] { state.Before.Value, y }, 1);  // [B, 1+T, D], y_{t-1} and the last y_t",
                "var innovation = Innovation.Of(x, seen.narrow(1, 0, T), predictor, state.Positions);",
                "Tensor e = innovation.Scores;  // [B, T]",
                spec.PredictionLoss > 0 ? "if (layer is not null && torch.is_grad_enabled())" : null,
                spec.PredictionLoss > 0 ? "    state.AddLoss(PredictionLoss * innovation.Loss(state.Padding));" : null,
                "state.Before.Update(seen.narrow(1, T, 1));");
        }
        else if (!spec.HasResidual)
        {
            writer.Lines(spec.Score switch
            {
                BMojoScore.Norm => "Tensor e = Innovation.Norm(x);  // [B, T]",
                BMojoScore.Random => "Tensor e = Innovation.Random(positions, x.dtype);  // [B, T]",
                _ => "Tensor e = Innovation.Recency(positions, x.dtype);  // [B, T]",
            });
        }

        string compact = spec.HasPositions && spec.Positions == BMojoPositions.Compact ? ", RotaryBase" : "";
        writer.Lines($"var slots = state.Slots.Choose(e, k, v, state.Keys.Value, state.Values.Value{compact});  // [B, C, M, {(IsGrouped ? "G" : "H")}, K]");
    }

    private IEnumerable<string> Read()
    {
        yield return spec switch
        {
            { HasWindow: true, HasEidetic: true, HasFading: true } => "// One softmax reads all three.",
            { HasWindow: true, HasEidetic: false, HasFading: false } => "// The softmax over the window.",
            { HasWindow: false } => "// The softmax over the fading tokens; the window has none.",
            _ => "// One softmax reads both.",
        };
        yield return "Tensor z = SegmentAttention.Apply(";
        string chunks = spec.HasEidetic ? "state.Slots.Chunks" : "new QueryChunks(Window, state.Positions.remainder(Window), Blocked: true)";
        string remembered = (HasChunks ? ", chunks: " + chunks : "") + (spec.HasEidetic ? ", slots: slots" : "") + (spec.HasFading ? ", fading: faded" : "");
        string past = spec.KeptTokens > 0 ? ", state.Keys.Value, state.Values.Value, state.Positions" : ", pastLengths: state.Positions";
        yield return spec.HasWindow
            ? $"    q, k, v, {(spec.IsBlocked ? "window: null" : "Window")}{past}{remembered});  // [B, T, H, K]"
            : $"    q, fk, fv, Window, pastLengths: state.Positions{remembered});  // [B, T, H, K]";
    }

    private IEnumerable<string> Kept()
    {
        if (spec.KeptTokens > 0)
        {
            yield return "state.Keys.Append(k);  // the oldest fall out";
            yield return "state.Values.Append(v);";
        }

        if (spec.HasFading && spec.KeptFading > 0)
        {
            yield return "state.FadedKeys.Append(fk);";
            yield return "state.FadedValues.Append(fv);";
        }
    }

    private string Turned(string projected, string heads, string norm)
    {
        string features = $"{projected}.view(B, T, {heads}, HeadDim)";
        if (spec.QueryKeyNorm)
            features = $"{norm}.call({features})";
        return spec.HasPositions ? $"Rotary.Apply({features}, positions, RotaryBase)" : features;
    }
}
