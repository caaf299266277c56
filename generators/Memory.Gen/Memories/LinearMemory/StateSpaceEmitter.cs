using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>Writes a linear memory in the form of a state space, as in Mamba-2.</summary>
/// <param name="spec">What was declared.</param>
/// <param name="dim">The width.</param>
/// <param name="residual">Whether it also tells, for a layer around it, how far what is written is from what was recalled.</param>
internal sealed class StateSpaceEmitter(LinearMemorySpec spec, int dim, bool residual = false) : MixerEmitter
{
    private readonly long values = (long)spec.Heads * spec.ValueDim, keys = (long)spec.Groups * spec.KeyDim;

    public override string ModuleName => "StateSpaceMemory";

    public override string StateName => "StateSpaceState";

    public override string Phrase =>
        "a state space, " + Prose.Count(spec.Heads, "head") + " of " + spec.KeyDim + " by " + spec.ValueDim + " features, keys and queries in "
        + Prose.Count(spec.Groups, "group") + ", convolution over " + Prose.Count(spec.ConvWidth, "token");

    public override IEnumerable<string> Equations =>
    [
        "S_t = e^{delta_t A} S_{t-1} + B_t (delta_t u_t)^T,   A = -e^a   in each head",
        "o_t = S_t^T C_t + skip u_t",
        "[u_t ; B_t ; C_t] = SiLU(conv(W_in x_t) + b_in),   delta_t = softplus(W_delta x_t + b_delta)",
        "y_t = W_O RMSNorm(o_t * SiLU(W_G x_t))" + (spec.Groups > 1 ? ",   the norm over the heads of each group" : ""),
    ];

    public override string Source => "Dao, Gu: Transformers are SSMs (arXiv 2405.21060), section 7.";

    public override IEnumerable<string> Axes =>
        ["H heads", "K key features", "V value features", .. spec.Groups > 1 ? new[] { "G groups" } : [], "I = H*V + 2" + (spec.Groups > 1 ? "*G" : "") + "*K inner channels"];

    public override Size Size
    {
        get
        {
            long matrix = (long)spec.Heads * spec.KeyDim * spec.ValueDim, channels = values + (2 * keys);
            return Size.Product(dim * ((2 * values) + channels + spec.Heads))
                + new Size((spec.ConvWidth + 1) * channels, CacheElements: (spec.ConvWidth - 1) * channels)
                + new Size(values + (3 * spec.Heads), MemoryElements: matrix, FlopsPerToken: 2 * 2 * matrix, Reach: null);
        }
    }

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        ModulePart[] parts = [.. Parts()];
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, {Residual.Result(residual)}>");
        writer.Lines(
            $"private const long Heads = {spec.Heads}, KeyDim = {spec.KeyDim}, ValueDim = {spec.ValueDim}, Groups = {spec.Groups};",
            "private const long Values = Heads * ValueDim, Keys = Groups * KeyDim;");
        ModulePart.WriteFieldsAndConstructor(writer, module, parts);
        writer.Blank();
        using (writer.Block($"public override {Residual.Result(residual)} forward(Tensor x, LayerState? layer)"))
            writer.Lines(
                "using var scope = torch.NewDisposeScope();",
                $"var state = ({state}?)layer;",
                "long B = x.shape[0], T = x.shape[1];",
                "var (inputs, gates, steps) = Projection.Apply(x, input, gate, step);",
                "Tensor mixed = convolution.call(inputs, state?.Tail);  // [B, T, I]",
                "Tensor u = mixed.narrow(2, 0, Values).view(B, T, Heads, ValueDim);  // [B, T, H, V]",
                $"Tensor Bt = {OfHeads("Values")};  // [B, T, H, K]",
                $"Tensor Ct = {OfHeads("Values + Keys")};  // [B, T, H, K]",
                "Tensor delta = Softplus.Apply(steps, step_bias);  // [B, T, H], step size, > 0",
                "Tensor g = -decay_rate.exp() * delta;  // [B, T, H], log decay, < 0",
                "Tensor written = (delta.unsqueeze(3) * u).to(u.dtype);  // [B, T, H, V]",
                "var read = ScalarDecay.Apply(Ct, Bt, written, g, state?.S.Value, scale: 1);",
                residual ? Residual.Line("written", "Bt", "S", "ScalarDecay.Apply(next, Bt, written, g, state?.S.Value, scale: 1)", "1 - cos(delta_t u_t, S_{t-1}^T B_t)") : null,
                "state?.S.Update(read.FinalState);  // [B, H, K, V]",
                "Tensor o = (read.Output + skip.unsqueeze(1) * u).to(u.dtype);  // [B, T, H, V]",
                "Tensor y = norm.call(SwiGlu.Apply(gates, o.reshape(B, T, Values)));  // [B, T, H*V], RMSNorm(o * SiLU(gates))",
                Residual.Return("y", residual));
        writer.Blank();
        if (IsShared)
            SharedKeys.WriteForHeads(writer, "Groups", "group");
        ModulePart.WriteRegistration(writer, parts);
    }

    public override void WriteState(CodeWriter writer, string state)
    {
        writer.Comment("What is kept of a sequence: the states, and the last inputs of the convolution.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        writer.Lines(
            $"public readonly StateTensor Tail;  // [B, {spec.ConvWidth - 1}, I], what the convolution still needs",
            "public readonly StateTensor S;  // [B, H, K, V]",
            "");
        using CodeWriter.Scope constructor = writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)");
        writer.Lines(
            $"Tail = Cache(\"tail\", {spec.ConvWidth - 1}, {values + (2 * keys)});",
            $"S = Memory(\"memory\", {spec.Heads}, {spec.KeyDim}, {spec.ValueDim});");
    }

    // Some heads have the same keys and queries, but not all.
    private bool IsShared => spec.Groups > 1 && spec.Groups < spec.Heads;

    // Keys or queries of every head, by where the channels of their groups begin.
    private string OfHeads(string start)
    {
        string channels = $"mixed.narrow(2, {start}, Keys)";
        if (IsShared)
            return $"ForHeads({channels}.view(B, T, Groups, KeyDim))";
        return channels + (spec.Groups == 1 ? ".unsqueeze(2).expand(B, T, Heads, KeyDim)" : ".view(B, T, Heads, KeyDim)");
    }

    private IEnumerable<ModulePart> Parts()
    {
        string groups = spec.Groups > 1 ? ", groups: Groups" : "";
        yield return ModulePart.Linear("input", "Dim", "Values + 2 * Keys", "D -> I");
        yield return ModulePart.Linear("gate", "Dim", "Values", "D -> H*V");
        yield return ModulePart.Linear("step", "Dim", "Heads", "D -> H");
        yield return ModulePart.Convolution("convolution", "Values + 2 * Keys", spec.ConvWidth, hasBias: true);
        yield return new ModulePart("norm", "RmsNorm", $"new RmsNorm(Values, device: device, dtype: dtype{groups})", spec.Groups > 1 ? "over H*V/G" : "over H*V");
        yield return ModulePart.Linear("output", "Values", "Dim", "H*V -> D");
        yield return ModulePart.Parameter("decay_rate", "Initialize.DecayRate(Heads, device, Initialize.Wide(dtype))", "[H], its logarithm");
        yield return ModulePart.Parameter("step_bias", "Initialize.StepBias(Heads, device, Initialize.Wide(dtype))", "[H]");
        yield return ModulePart.Parameter("skip", "Initialize.Constant(Heads, value: 1.0, device, Initialize.Wide(dtype))", "[H]");
    }
}
