using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>Writes a linear memory.</summary>
/// <param name="spec">What was declared.</param>
/// <param name="dim">The width.</param>
/// <param name="residual">Whether it also tells, for a layer around it, how far what is written is from what was recalled.</param>
internal sealed class LinearMemoryEmitter(LinearMemorySpec spec, int dim, bool residual = false) : MixerEmitter
{
    private readonly (ModulePart Part, Size Size)[] vectors = [.. LinearMemoryVectors.Of(spec)];

    private bool HasConvolution => spec.ConvWidth > 0;

    // What is projected to the features of keys and values, and what of it goes through convolutions.
    private string[] Projected => ["query", spec.IsTied ? "forget" : "key", "value"];

    private string[] Convolved => !HasConvolution ? [] : spec.IsTied ? ["query", "value"] : Projected;

    // The axis of what "forget" says: key features, or slots.
    private (string Letter, string Constant) Forgetting => spec.HasSlots ? ("M", "Slots") : ("K", "KeyDim");

    // The axis of queries and keys after their map.
    private string Mapped => spec.Expands ? "P" : "K";

    public override string ModuleName => LinearMemoryTexts.Name(spec) + "Memory";

    public override string StateName => LinearMemoryTexts.Name(spec) + "State";

    public override bool TakesDepth => spec.IsTied || spec.Decay == DecaySchedule.Lightning;

    public override string Phrase => LinearMemoryTexts.Phrase(spec);

    public override IEnumerable<string> Equations => LinearMemoryTexts.Equations(spec);

    public override string Source => LinearMemoryTexts.Source(spec) + LinearMemoryTexts.Ours(spec);

    public override IEnumerable<string> Axes => ["H heads", "K key features", "V value features", .. spec.SharesKeys ? new[] { "G key heads" } : [], .. LinearMemoryTexts.FurtherAxes(spec)];

    public override Size Size
    {
        get
        {
            long keys = (long)spec.KeyHeads * spec.KeyDim, values = (long)spec.Heads * spec.ValueDim, mapped = spec.Heads * spec.MappedDim;
            long gates = spec.OutputGate ? values : 0;
            // One to query and one to be read with, and those of each write.
            Size size = Size.Product(dim * (((1 + spec.Householders) * (keys + values)) + gates)) + new Size(spec.ValueDim);
            if (HasConvolution)
            {
                long channels = Convolved.Sum(name => LinearMemoryHeads.Channels(spec, name));
                size += new Size(spec.ConvWidth * channels, CacheElements: (spec.ConvWidth - 1) * channels);
            }

            if (spec.IsDelta)
                size += Size.Product(dim * HeadsOf("write_strength").Count);
            if (spec.HasHeadDecay)
                size += Size.Product((long)dim * spec.Heads);
            if (spec.HasChannels)
                size += Size.Product(spec.DecayRank * (dim + keys));
            if (spec.Rule == MemoryRule.ChannelDecay)
                size += new Size(keys);
            if (spec.HasSlots)
                size += Size.Product((long)dim * spec.Heads * spec.Slots);
            if (spec.IsGeneralized)
                size += Size.Product(spec.DecayRank * (dim + keys));
            foreach ((_, Size vector) in vectors)
                size += vector;
            if (spec.Normalized)
                size += new Size(0, MemoryElements: mapped, FlopsPerToken: 2 * mapped);
            return size + new Size(0, MemoryElements: spec.Kept, FlopsPerToken: 2 * spec.Products * spec.Kept, Reach: null);
        }
    }

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, {Residual.Result(residual)}>");
        writer.Lines(
            $"private const long {LinearMemoryHeads.Constants(spec)}, KeyDim = {spec.KeyDim}, ValueDim = {spec.ValueDim}{LinearMemoryTexts.FurtherConstant(spec)};",
            LinearMemoryTexts.DecayFactor(spec),
            spec.HasPositions ? $"private const double RotaryBase = {Prose.Literal(spec.RotaryBase)};" : null);
        writer.Lines(
        [
            .. TakesDepth ? new[] { LinearMemoryTexts.Depth } : [],
            .. Fields(),
            "private bool registered;",
            "",
        ]);
        using (writer.Block($"public {module}({(TakesDepth ? "double depth, " : "")}Device? device, ScalarType? dtype) : base(nameof({module}))"))
            writer.Lines([.. TakesDepth ? new[] { "this.depth = depth;" } : [], .. Assignments(), "RegisterComponents();"]);
        writer.Blank();
        using (writer.Block($"public override {Residual.Result(residual)} forward(Tensor x, LayerState? layer)"))
            writer.Lines(Forward(state).ToArray());
        writer.Blank();
        if (spec.SharesKeys)
            SharedKeys.WriteForHeads(writer, "KeyHeads", "key head");
        Registration.Write(writer, Submodules().ToArray(), vectors.Select(v => v.Part.Name).ToArray());
    }

    public override void WriteState(CodeWriter writer, string state)
    {
        writer.Comment(HasConvolution ? "What is kept of a sequence: the memory, and the last inputs of the convolutions." : "What is kept of a sequence: the memory.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        writer.Lines(
            HasConvolution ? $"public readonly StateTensor QueryTail{(spec.IsTied || spec.IsProduct ? "" : ", KeyTail")};  // [B, {spec.ConvWidth - 1}, {HeadsOf("query").Letter}*K], what the convolutions still need" : null,
            HasConvolution && spec.IsProduct ? $"public readonly StateTensor KeyTail;  // [B, {spec.ConvWidth - 1}, {HeadsOf("key").Letter}*K]" : null,
            HasConvolution ? $"public readonly StateTensor ValueTail;  // [B, {spec.ConvWidth - 1}, {HeadsOf("value").Letter}*V]" : null,
            spec.HasSlots ? "public readonly StateTensor SlotKeys;  // [B, H, M, K]" : $"public readonly StateTensor S;  // [B, H, {Mapped}, V]",
            spec.HasSlots ? "public readonly StateTensor SlotValues;  // [B, H, M, V]" : null,
            spec.Normalized ? $"public readonly StateTensor Z;  // [B, H, {Mapped}]" : null,
            "");
        using (writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)"))
        {
            foreach (string name in Convolved)
                writer.Lines($"{char.ToUpperInvariant(name[0])}{name.Substring(1)}Tail = Cache(\"{name}_tail\", {spec.ConvWidth - 1}, {LinearMemoryHeads.Channels(spec, name)});");
            writer.Lines(
                spec.HasSlots ? $"SlotKeys = Memory(\"slot_keys\", {spec.Heads}, {spec.Slots}, {spec.KeyDim});" : $"S = Memory(\"memory\", {spec.Heads}, {spec.MappedDim}, {spec.ValueDim});",
                spec.HasSlots ? $"SlotValues = Memory(\"slot_values\", {spec.Heads}, {spec.Slots}, {spec.ValueDim});" : null,
                spec.Normalized ? $"Z = Memory(\"normalizer\", {spec.Heads}, {spec.MappedDim});" : null);
        }
    }

    private IEnumerable<string> Submodules()
    {
        foreach (string projection in Projected)
            yield return projection;
        foreach (string projection in Convolved)
            yield return projection + "_convolution";
        if (spec.IsDelta)
            yield return "write_strength";
        if (spec.HasSlots)
            yield return "forget";
        if (spec.HasHeadDecay)
            yield return "decay";
        if (spec.HasChannels)
        {
            yield return "decay_down";
            yield return "decay_up";
        }

        if (spec.IsGeneralized)
        {
            yield return "rate_down";
            yield return "rate_up";
        }

        if (spec.OutputGate)
            yield return "gate";
        yield return "norm";
        yield return "output";
    }

    private IEnumerable<string> Fields()
    {
        foreach (string name in Submodules())
            yield return name switch
            {
                "query" or "key" => $"private readonly Linear {name};  // D -> {HeadsOf(name).Letter}*K",
                "forget" => $"private readonly Linear {name};  // D -> H*{Forgetting.Letter}",
                "value" => $"private readonly Linear {name};  // D -> {HeadsOf(name).Letter}*V",
                "gate" => $"private readonly Linear {name};  // D -> H*V",
                "write_strength" => $"private readonly Linear {name};  // D -> {HeadsOf(name).Letter}",
                "decay" => $"private readonly Linear {name};  // D -> H",
                "decay_down" or "rate_down" => $"private readonly Linear {name};  // D -> J",
                "decay_up" or "rate_up" => $"private readonly Linear {name};  // J -> H*K",
                "output" => $"private readonly Linear {name};  // H*V -> D",
                "norm" => $"private readonly RmsNorm {name};  // over V",
                _ => $"private readonly ShortConvolution {name};  // along the tokens, then SiLU",
            };
        foreach (string field in LinearMemoryVectors.Fields(vectors.Select(v => v.Part)))
            yield return field;
    }

    private IEnumerable<string> Assignments()
    {
        foreach (string name in Submodules())
            yield return name switch
            {
                "query" or "key" => Linear(name, "Dim", HeadsOf(name).Constant + " * KeyDim"),
                "forget" => Linear(name, "Dim", "Heads * " + Forgetting.Constant),
                "value" => Linear(name, "Dim", HeadsOf(name).Constant + " * ValueDim"),
                "gate" => Linear(name, "Dim", "Heads * ValueDim"),
                "write_strength" => Linear(name, "Dim", HeadsOf(name).Constant),
                "decay" => Linear(name, "Dim", "Heads"),
                "rate_down" or "decay_down" => Linear(name, "Dim", LinearMemoryTexts.Rank(spec)),
                "rate_up" or "decay_up" => Linear(name, LinearMemoryTexts.Rank(spec), "Heads * KeyDim", bias: spec.Rule == MemoryRule.ChannelDecay),
                "output" => Linear(name, "Heads * ValueDim", "Dim"),
                "norm" => "norm = new RmsNorm(ValueDim, device: device, dtype: dtype);",
                _ => $"{name} = {ModulePart.Convolution(name, HeadsOf(name.Replace("_convolution", "")).Constant + (name == "value_convolution" ? " * ValueDim" : " * KeyDim"), spec.ConvWidth).Value};",
            };
        foreach ((ModulePart vector, _) in vectors)
            yield return $"{vector.Name} = {vector.Value};";

        static string Linear(string name, string from, string to, bool bias = false) =>
            $"{name} = nn.Linear({from}, {to}, hasBias: {Prose.Literal(bias)}, device: device, dtype: dtype);";
    }

    // The projections of x, each with the name of what comes of it.
    private IEnumerable<(string Layer, string Result)> Projections()
    {
        yield return ("query", "queries");
        yield return spec.IsTied ? ("forget", "forgets") : ("key", "keys");
        yield return ("value", "values");
        if (spec.IsDelta)
            yield return ("write_strength", "strengths");
        if (spec.HasSlots)
            yield return ("forget", "forgets");
        if (spec.HasHeadDecay)
            yield return ("decay", "decays");
        if (spec.HasChannels)
            yield return ("decay_down", "decays");
        if (spec.IsGeneralized)
            yield return ("rate_down", "rates");
        if (spec.OutputGate)
            yield return ("gate", "gates");
    }

    private IEnumerable<string> Forward(string state)
    {
        yield return "using var scope = torch.NewDisposeScope();";
        yield return $"var state = ({state}?)layer;";
        if (!HasConvolution || spec.Rule == MemoryRule.ChannelDecay || spec.HasBonus || spec.IsTied || spec.IsGeneralized || spec.HasSlots || spec.IsProduct)
            yield return "long B = x.shape[0], T = x.shape[1];";
        yield return $"var ({string.Join(", ", Projections().Select(p => p.Result))}) = Projection.Apply(x, {string.Join(", ", Projections().Select(p => p.Layer))});";
        if (spec.HasPositions)
            yield return "Tensor positions = Rotary.Positions(x, state?.Positions);  // [T] or [B, T]";
        yield return $"Tensor q = {Turned("query", "queries")};  // [B, T, {HeadsOf("query").Letter}, {Mapped}]";
        if (spec.IsTied)
        {
            foreach (string line in LinearMemoryLines.Tied("forgets", "B, T"))
                yield return line;
        }
        else
        {
            yield return spec.SharesKeys
                ? $"Tensor k = {Turned("key", "keys")};  // [B, T, {HeadsOf("key").Letter}, {Mapped}]"
                : $"Tensor k = {Written(Turned("key", "keys"), "KeyDim")}  // [B, T, {(spec.IsProduct ? "N, " : "")}H, {Mapped}]";
        }

        yield return $"Tensor v = {Written(Heads("value", "values", "ValueDim"), "ValueDim")}  // [B, T, {(spec.IsProduct ? "N, " : "")}H, V]";
        foreach (string line in LinearMemoryLines.Spread(spec, "B, T", Mapped))
            yield return line;
        if (spec.IsDelta)
            yield return "Tensor beta = " + LinearMemoryLines.WriteStrength(spec, "strengths", "B, T");
        if (spec.HasHeadDecay)
            yield return "Tensor g = LogDecay.Apply(decays, decay_rate, decay_bias);  // [B, T, H], log decay, <= 0: -e^a softplus(. + b)";
        if (spec.Rule == MemoryRule.ChannelDelta)
            yield return "Tensor g = LogDecay.Channels(Projection.Apply(decays, decay_up), decay_rate, decay_bias);  // [B, T, H, K], log decay, <= 0: -e^a softplus(. + b)";
        if (spec.Decay == DecaySchedule.RetNet)
            yield return "Tensor g = FixedDecay.RetNet(q);  // [B, T, H], log decay, < 0: ln(1 - 2^(-5-h))";
        if (spec.Decay == DecaySchedule.Lightning)
            yield return "Tensor g = FixedDecay.Lightning(q, depth);  // [B, T, H], log decay, <= 0: -(8/H) (1 - l/L) h";
        if (spec.Rule == MemoryRule.ChannelDecay)
            yield return "Tensor g = Projection.Gate(decays, decay_up).log_sigmoid().view(B, T, Heads, KeyDim) / DecayTemperature;  // [B, T, H, K], log decay, <= 0";
        if (spec.HasBonus)
            yield return "Tensor g = -(Projection.Apply(decays.tanh(), decay_up) + decay_bias).exp().view(B, T, Heads, KeyDim);  // [B, T, H, K], log decay, <= 0";
        if (spec.HasSlots)
            yield return "Tensor g = LogDecay.Sigmoid(forgets.view(B, T, Heads, Slots), least: 0.0) / DecayTemperature;  // [B, T, H, M], log decay, <= 0: ln(alpha)";
        if (spec.IsGeneralized)
        {
            yield return "Tensor g = -FastestDecay * (Projection.Apply(decays.tanh(), decay_up) + decay_bias).sigmoid().view(B, T, Heads, KeyDim);  // [B, T, H, K], log decay, <= 0";
            yield return "Tensor a = (Projection.Apply(rates, rate_up) + rate_bias).sigmoid().view(B, T, Heads, KeyDim);  // [B, T, H, K], in-context learning rate in (0, 1)";
            foreach (string line in LinearMemoryLines.TwoKeys("B, T"))
                yield return line;
        }

        string scale = spec.Expands ? ", scale: 1" : "";
        yield return spec.HasSlots
            ? $"var read = {LinearMemoryTexts.Operator(spec)}, state?.SlotKeys.Value, state?.SlotValues.Value, scale: 1.0);"
            : spec.Normalized
            ? $"var read = LinearAttention.Normalized(q, k, v, state?.S.Value, state?.Z.Value{scale});"
            : $"var read = {LinearMemoryTexts.Operator(spec)}, state?.S.Value{scale});";
        if (residual)
            yield return Residual.Line("v", "k", "S", LinearMemoryTexts.Operator(spec).Replace("(q,", "(next,") + ", state?.S.Value, scale: 1)");
        yield return spec.HasSlots ? "state?.SlotKeys.Update(read.FinalKeys);  // [B, H, M, K]" : $"state?.S.Update(read.FinalState);  // [B, H, {Mapped}, V]";
        if (spec.HasSlots)
            yield return "state?.SlotValues.Update(read.FinalValues);  // [B, H, M, V]";
        if (spec.Normalized)
            yield return $"state?.Z.Update(read.FinalNormalizer);  // [B, H, {Mapped}]";
        if (spec.IsGeneralized)
            yield return LinearMemoryLines.OwnValue("B, T");
        yield return spec.IsGeneralized
            ? spec.OutputGate
                ? "Tensor y = SwiGlu.Apply(gates, (norm.call(read.Output) + u).flatten(2));  // [B, T, H*V], (RMSNorm(read.Output) + u) * SiLU(gates)"
                : "Tensor y = (norm.call(read.Output) + u).flatten(2);  // [B, T, H*V]"
            : spec.OutputGate
            ? $"Tensor y = norm.GatedHeads({Read}, gates);  // [B, T, H*V], RMSNorm({(spec.HasSlots ? "SiLU(read.Output)" : "read.Output")}) * SiLU(gates)"
            : $"Tensor y = norm.call({Read}).flatten(2);  // [B, T, H*V]";
        yield return Residual.Return("y", residual);
    }

    // What the norm gets.
    private string Read => spec.HasSlots ? "read.Output.silu()" : "read.Output";

    // The heads of each write, which come out of the projections side by side, taken apart: at once, unless something wants them together.
    private string Written(string heads, string features)
    {
        string apart = $".view(B, T, Householders, Heads, {features})", together = $".view(B, T, Householders * Heads, {features})";
        return (!spec.IsProduct ? heads : HasConvolution || heads.StartsWith("Rotary", System.StringComparison.Ordinal) ? heads + apart : heads.Replace(together, apart)) + ";";
    }

    private string Heads(string name, string projected, string features) => HasConvolution
        ? $"{name}_convolution.Heads({projected}, {HeadsOf(name).Constant}, {Tail(name)})"
        : $"{projected}.view(B, T, {HeadsOf(name).Constant}, {features}){(spec.HasSlots ? ".silu()" : "")}";

    private (string Constant, string Letter, long Count) HeadsOf(string projection) => LinearMemoryHeads.Of(spec, projection);

    private string Turned(string name, string projected) =>
        spec.HasPositions ? $"Rotary.Apply({Features(name, projected)}, positions, RotaryBase)" : Features(name, projected);

    private string Features(string name, string projected)
    {
        string heads = Heads(name, projected, "KeyDim");
        return spec switch
        {
            { UnitLength: true } when HasConvolution => $"{name}_convolution.UnitHeads({projected}, {HeadsOf(name).Constant}, {Tail(name)})",
            { UnitLength: true } => $"UnitLength.Apply({heads})",
            { FeatureMap: FeatureMap.EluPlusOne } => $"{heads}.elu() + 1.0",
            { FeatureMap: FeatureMap.Relu } => $"{heads}.relu()",
            { FeatureMap: FeatureMap.Taylor } => $"FeatureMaps.Taylor({heads})",
            { FeatureMap: FeatureMap.Hedgehog } => $"FeatureMaps.Hedgehog({heads}, {name}_map.view({HeadsOf(name).Constant}, KeyDim, KeyDim))",
            { Rule: MemoryRule.TiedDecay } when !HasConvolution => $"{heads}.silu()",
            _ => heads,
        };
    }

    private static string Tail(string name) => $"state?.{char.ToUpperInvariant(name[0])}{name.Substring(1)}Tail";
}
