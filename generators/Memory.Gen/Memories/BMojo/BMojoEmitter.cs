using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Memories.SelectiveStateSpace;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>Writes a B'MOJO layer, its fading memory within.</summary>
internal sealed class BMojoEmitter(BMojoSpec spec, int dim) : MixerEmitter
{
    private const string FadingName = "FadingMemory";

    private readonly int headDim = dim / spec.Heads;

    private readonly MixerEmitter? memory = spec.Memory switch
    {
        LinearMemorySpec { StateSpace: true } linear => new StateSpaceEmitter(linear, dim, spec.HasResidual),
        LinearMemorySpec linear => new LinearMemoryEmitter(linear, dim, spec.HasResidual),
        SelectiveStateSpaceSpec scan => new SelectiveStateSpaceEmitter(scan, dim, spec.HasResidual),
        _ => null,
    };

    private bool IsGrouped => spec.KeyValueHeads != spec.Heads;

    public override string ModuleName => "BMojo";

    public override string StateName => "BMojoState";

    public override string Phrase => BMojoTexts.Phrase(spec, headDim);

    public override IEnumerable<string> Equations => BMojoTexts.Equations(spec, memory);

    public override string Source => BMojoTexts.Source(spec, memory);

    public override IEnumerable<string> Axes
    {
        get
        {
            yield return "H heads";
            yield return "K head features";
            if (IsGrouped)
                yield return "G key and value heads";
            if (spec.HasWindow)
                yield return spec.IsBlocked ? "w tokens of a chunk" : "w window";
            if (spec.HasEidetic)
                yield return "M eidetic slots";
            if (spec.HasEidetic || spec.IsBlocked)
                yield return "C chunks of a call";
            if (spec.HasEidetic && !spec.IsBlocked)
                yield return "Q tokens of a chunk";
            if (spec.HasFading)
                yield return "P fading tokens";
        }
    }

    public override (string Name, IEnumerable<string> Axes)? Inner => memory is null ? null : ("the fading memory", memory.Axes);

    public override string? Loss => spec is { HasPredictor: true, PredictionLoss: > 0 } ? "trains W_p" : null;

    public override Size Size => BMojoSize.Of(spec, dim, memory?.Size);

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, Tensor>");
        string[] constants =
        [
            $"Heads = {spec.Heads}",
            .. IsGrouped ? new[] { $"KeyValueHeads = {spec.KeyValueHeads}" } : [],
            $"HeadDim = {headDim}",
            .. spec.IsBlocked && spec.HasEidetic ? [] : new[] { $"Window = {spec.Window}" },
            .. spec.HasFading ? new[] { $"FadingTokens = {spec.FadingTokens}" } : [],
            .. spec.FadingStride > 1 ? new[] { $"FadingStride = {spec.FadingStride}" } : [],
        ];
        writer.Lines(
            $"private const long {string.Join(", ", constants)};",
            spec.HasPositions ? $"private const double RotaryBase = {Prose.Literal(spec.RotaryBase)};" : null,
            spec.HasPredictor && spec.PredictionLoss > 0 ? $"private const double PredictionLoss = {Prose.Literal(spec.PredictionLoss)};" : null);
        ModulePart[] parts = [.. Parts()];
        ModulePart.WriteFieldsAndConstructor(writer, module, parts);
        writer.Blank();
        new BMojoForward(spec).Write(writer, state);
        writer.Blank();
        ModulePart.WriteRegistration(writer, parts);
        if (memory is null)
            return;
        writer.Blank();
        memory.WriteModule(writer, FadingName, FadingState(state));
    }

    public override void WriteState(CodeWriter writer, string state)
    {
        BMojoStateWriter.Write(writer, spec, dim, state, memory is null ? null : FadingState(state));
        if (memory is null)
            return;
        writer.Blank();
        memory.WriteState(writer, FadingState(state));
    }

    private static string FadingState(string state) => "Fading" + state;

    private IEnumerable<ModulePart> Parts()
    {
        string keys = IsGrouped ? "KeyValueHeads * HeadDim" : "Heads * HeadDim", axes = IsGrouped ? "D -> G*K" : "D -> H*K";
        if (memory is not null)
            yield return ModulePart.Module("fading", FadingName);
        yield return ModulePart.Linear("query", "Dim", "Heads * HeadDim", "D -> H*K");
        yield return ModulePart.Linear("key", "Dim", keys, axes);
        yield return ModulePart.Linear("value", "Dim", keys, axes);
        if (spec.HasFading && !spec.TiedProjections)
        {
            yield return ModulePart.Linear("fading_key", "Dim", keys, axes);
            yield return ModulePart.Linear("fading_value", "Dim", keys, axes);
        }

        if (spec.QueryKeyNorm)
        {
            yield return ModulePart.Norm("query_norm", "HeadDim", "over K");
            yield return ModulePart.Norm("key_norm", "HeadDim", "over K");
        }

        if (spec.HasPredictor)
            yield return new ModulePart("predictor", "Linear", "nn.Linear(Dim, Dim, device: device, dtype: dtype)", "W_p and b_p, D -> D");
        yield return ModulePart.Linear("output", "Heads * HeadDim", "Dim", "H*K -> D");
    }
}
