using System.Collections.Generic;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.SelectiveStateSpace;

/// <summary>Writes a selective state space, a mixer of its own or a part of another one.</summary>
/// <param name="spec">What was declared.</param>
/// <param name="dim">The width.</param>
/// <param name="residual">Whether it also tells, for a layer around it, how far what is written is from what was recalled.</param>
internal sealed class SelectiveStateSpaceEmitter(SelectiveStateSpaceSpec spec, int dim, bool residual = false) : MixerEmitter
{
    private readonly long channels = (long)spec.Expansion * dim;

    public override string ModuleName => "SelectiveStateSpace";

    public override string StateName => "SelectiveState";

    public override string Phrase => SelectiveStateSpaceTexts.Phrase(spec, channels);

    public override IEnumerable<string> Equations => SelectiveStateSpaceTexts.Equations;

    public override string Source => SelectiveStateSpaceTexts.Source;

    public override IEnumerable<string> Axes => ["I inner channels", "N states", "J rank of the step sizes"];

    public override Size Size
    {
        get
        {
            long states = channels * spec.StateDim;
            return Size.Product((3 * dim * channels) + (2 * states) + (2 * channels * spec.StepRank))
                + new Size((spec.ConvWidth + 1) * channels, CacheElements: (spec.ConvWidth - 1) * channels)
                + new Size(states + (2 * channels), MemoryElements: states, FlopsPerToken: 2 * 2 * states, Reach: null);
        }
    }

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        ModulePart[] parts = [.. Parts()];
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, {Residual.Result(residual)}>");
        writer.Lines($"private const long Channels = {channels}, StateDim = {spec.StateDim}, StepRank = {spec.StepRank};");
        ModulePart.WriteFieldsAndConstructor(writer, module, parts);
        writer.Blank();
        using (writer.Block($"public override {Residual.Result(residual)} forward(Tensor x, LayerState? layer)"))
            writer.Lines(
                "using var scope = torch.NewDisposeScope();",
                $"var state = ({state}?)layer;",
                "var (inputs, gates) = Projection.Apply(x, input, gate);",
                "Tensor u = convolution.call(inputs, state?.Tail);  // [B, T, I]",
                "var (steps, Bt, Ct) = Projection.Apply(u, step_down, write, read);  // [B, T, J], [B, T, N] twice",
                "Tensor delta = Softplus.Apply(Projection.Apply(steps, step_up), step_bias);  // [B, T, I], step size, > 0",
                "Tensor A = StateRates.Apply(decay_rate, Channels, StateDim);  // [I, N], -e^a, log decay of a step of size 1, < 0",
                "var scan = SelectiveScan.Apply(u, delta, A, Bt, Ct, skip, state?.H.Value);",
                residual ? Residual.Line("(delta * u).detach()", "Bt", "H", "SelectiveScan.Apply(u, delta, A, Bt, next, torch.zeros_like(skip), state?.H.Value)", "1 - cos(delta_t u_t, h_{t-1} B_t)") : null,
                "state?.H.Update(scan.FinalState);  // [B, I, N]",
                "Tensor y = SwiGlu.Apply(gates, scan.Output);  // [B, T, I], scan.Output * SiLU(gates)",
                Residual.Return("y", residual));
        writer.Blank();
        ModulePart.WriteRegistration(writer, parts);
    }

    public override void WriteState(CodeWriter writer, string state)
    {
        writer.Comment("What is kept of a sequence: the states, and the last inputs of the convolution.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        writer.Lines(
            $"public readonly StateTensor Tail;  // [B, {spec.ConvWidth - 1}, I], what the convolution still needs",
            "public readonly StateTensor H;  // [B, I, N]",
            "");
        using CodeWriter.Scope constructor = writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)");
        writer.Lines(
            $"Tail = Cache(\"tail\", {spec.ConvWidth - 1}, {channels});",
            $"H = Memory(\"memory\", {channels}, {spec.StateDim});");
    }

    private IEnumerable<ModulePart> Parts()
    {
        yield return ModulePart.Linear("input", "Dim", "Channels", "D -> I");
        yield return ModulePart.Linear("gate", "Dim", "Channels", "D -> I");
        yield return ModulePart.Convolution("convolution", "Channels", spec.ConvWidth, hasBias: true);
        yield return ModulePart.Linear("step_down", "Channels", "StepRank", "I -> J");
        yield return ModulePart.Linear("step_up", "StepRank", "Channels", "J -> I");
        yield return ModulePart.Linear("write", "Channels", "StateDim", "I -> N");
        yield return ModulePart.Linear("read", "Channels", "StateDim", "I -> N");
        yield return ModulePart.Linear("output", "Channels", "Dim", "I -> D");
        yield return ModulePart.Parameter("decay_rate", "Initialize.StateRates(Channels, StateDim, device, Initialize.Wide(dtype))", "[I*N], its logarithm");
        yield return ModulePart.Parameter("step_bias", "Initialize.StepBias(Channels, device, Initialize.Wide(dtype))", "[I]");
        yield return ModulePart.Parameter("skip", "Initialize.Constant(Channels, value: 1.0, device, Initialize.Wide(dtype))", "[I]");
    }
}
