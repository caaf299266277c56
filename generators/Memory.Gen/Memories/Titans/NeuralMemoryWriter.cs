using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>Writes the module of the memory itself: from features to what every token recalls.</summary>
internal sealed class NeuralMemoryWriter(TitansSpec spec, int headDim, string state)
{
    public const string Name = "NeuralMemory";

    private bool IsContext => spec.Variant == TitansVariant.Context;

    // In a layer the attention also reads what the persistent tokens recall.
    private bool ReturnsPrefix => spec.MemoryHasPrefix && spec.Variant == TitansVariant.Layer;

    private bool HasActivation => spec.MemoryDepth > 1 && spec.Activation != TitansActivation.Silu;

    private string Weights => string.Join(", ", WeightNames(spec));

    private string Target => spec.Forgetting && spec.DecayTo == TitansDecayTarget.Initial ? ", target: " : "";

    private string Residual => spec.Residual ? ", residual: gamma.view(Heads, HeadDim)" : "";

    /// <summary>The fields of the first weights, one a matrix.</summary>
    public static string[] WeightNames(TitansSpec spec) => spec.Matrices == 1
        ? ["weights"]
        : Enumerable.Range(1, spec.Matrices).Select(l => "weights_" + l).ToArray();

    public void Write(CodeWriter writer)
    {
        writer.Lines("// For each head a " + (spec.MemoryDepth == 1 ? "matrix" : spec.GatedLinearUnit ? "gated linear unit" : "network") + " that every token teaches to answer its key with its value.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {Name} : nn.Module");
        writer.Lines(Constants().ToArray());
        ModulePart[] parts = Parts().ToArray();
        ModulePart.WriteFieldsAndConstructor(writer, Name, parts);
        writer.Blank();
        if (IsContext)
            WriteRecall(writer);
        if (spec.MemoryHasPrefix)
            WriteReadAfterPrefix(writer);
        else
            WriteRead(writer);
        writer.Blank();
        ModulePart.WriteRegistration(writer, parts);
    }

    private IEnumerable<string?> Constants()
    {
        if (spec.MemoryDepth > 1)
            yield return $"private const long HiddenDim = {(long)spec.Expansion * headDim};";
        string[] bounds = new[]
        {
            spec.MaxStep == 1 && !spec.Muon ? null : "MaxStep = " + Prose.Literal(spec.MaxStep),
            spec.Momentum ? "MaxMomentum = " + Prose.Literal(spec.MaxMomentum) : null,
        }.OfType<string>().ToArray();
        if (bounds.Length > 0)
            yield return $"private const double {string.Join(", ", bounds)};";
        string[] options = new[]
        {
            spec.GatedLinearUnit ? "GatedLinearUnit = true" : null,
            HasActivation ? "Activation = TitansActivation." + spec.Activation : null,
            spec.Reads == TitansRead.BlockStart ? "ReadsBlockStart = true" : null,
            spec.Muon ? "Muon = MaxStep" : null,
            spec.WeightNorm ? "WeightNorm = true" : null,
            spec.Forgetting && spec.Decay == TitansDecay.BeforeGradient ? "DecaysFirst = true" : null,
            spec.InnerClip > 0 ? "Clip = " + Prose.Literal(spec.InnerClip) : null,
        }.OfType<string>().ToArray();
        yield return $"private static readonly TitansOptions Options = new TitansOptions(Block: {spec.Block})"
            + (options.Length > 0 ? $" {{ {string.Join(", ", options)} }};" : ";");
    }

    private IEnumerable<ModulePart> Parts()
    {
        string[] projections = IsContext ? ["recall", "query", "key", "value"] : ["query", "key", "value"];
        foreach (string name in projections)
            yield return ModulePart.Linear(name, "Dim", "Heads * HeadDim", "D -> H*K");
        if (spec.HasConvolution)
            foreach (string name in projections)
                yield return ModulePart.Convolution(name + "_convolution", "Heads * HeadDim", spec.ConvWidth);
        if (spec.AdaptiveStep)
            yield return Gate("step", "0.5");
        if (spec.Momentum)
            yield return Gate("momentum", "0.5");
        if (spec.Forgetting)
            yield return Gate("forgetting", "0.01");
        if (!spec.AdaptiveStep)
            yield return ModulePart.Parameter("step", "Initialize.Constant(Heads, value: 0.0, device, Initialize.Wide(dtype))", "[H]");
        string[] weights = WeightNames(spec);
        for (int l = 0; l < weights.Length; l++)
        {
            (string from, string rows) = spec.Enters(l) ? ("HeadDim", "K") : ("HiddenDim", "E");
            (string to, string columns) = spec.Leaves(l) ? ("HeadDim", "K") : ("HiddenDim", "E");
            yield return ModulePart.Parameter(weights[l], $"Initialize.Xavier([Heads, {from}, {to}], device, dtype)", $"[H, {rows}, {columns}], {(weights.Length == 1 ? "" : $"W_{l + 1} of ")}M_0, what every sequence begins with");
        }

        if (spec.Residual)
            yield return ModulePart.Parameter("gamma", "Initialize.Constant(Heads * HeadDim, value: 1.0, device, dtype)", "[H*K], a vector, which weight decay leaves alone");

        static ModulePart Gate(string name, string start) => new(
            name, "Linear", $"Initialize.Gate(nn.Linear(Dim, Heads, device: device, dtype: dtype), start: {start})", "D -> H");
    }

    private void WriteRecall(CodeWriter writer)
    {
        writer.Lines("// What the memory holds for the tokens of a segment, as it stood when the segment began.");
        using (writer.Block($"public Tensor Recall(Tensor x, RaggedSegment span, {state} state)  // [B, T, D] -> [B, T, H, K]"))
            writer.Lines(
                spec.HasConvolution ? null : "long B = x.shape[0], T = x.shape[1];",
                $"Tensor q = {Heads("recall", "Projection.Apply(x, recall)", "state.RecallTail", spec.UnitLength)};  // [B, T, H, K]",
                $"return TitansMlp.Retrieve(q, SegmentStart(span, state){(HasActivation ? ", Options.Activation" : "")}{Residual}{(spec.GatedLinearUnit ? ", gatedLinearUnit: true" : "")});");
        writer.Blank();
        writer.Lines(spec.Block == spec.Window ? "// A segment is one block." : "// Rows that begin a segment here keep what the memory is by now.");
        using (writer.Block($"private Tensors SegmentStart(RaggedSegment span, {state} state)"))
            WriteSegmentStart(writer);
        writer.Blank();
    }

    private void WriteSegmentStart(CodeWriter writer)
    {
        string now = $"state.Blocks.BlockStart(TitansBlocks.ForRows(state.Positions.shape[0], [{Weights}]), span.Start)";
        if (spec.Block == spec.Window)
        {
            writer.Lines($"return {now};");
            return;
        }

        writer.Lines($"var now = {now};");
        string[] fields = TitansStateWriter.SegmentFields(spec);
        for (int l = 0; l < fields.Length; l++)
            writer.Lines($"state.{fields[l]}.Update(span.Begins(now[{l}], state.{fields[l]}.Value));  // [B, H, {(spec.Enters(l) ? "K" : "E")}, {(spec.Leaves(l) ? "K" : "E")}]");
        writer.Lines($"return [{string.Join(", ", fields.Select(f => $"state.{f}.Value"))}];");
    }

    private void WriteRead(CodeWriter writer)
    {
        writer.Lines(spec.Muon
            ? "// Every token recalls from the memory that its block began with; a complete block is written."
            : spec.Reads == TitansRead.AfterWrite
            ? "// Every token writes, then recalls."
            : "// Every token writes, and recalls from the memory that its block began with.");
        string source = IsContext ? "Tensor y, RaggedSegment span, " + state + " state" : $"Tensor x, {state}? state";
        using CodeWriter.Scope method = writer.Block($"public Tensor Read({source})  // [B, T, D] -> [B, T, H, K]");
        string x = IsContext ? "y" : "x";
        writer.Lines(
        [
            spec.HasConvolution && HasGate ? $"long B = {x}.shape[0];" : $"long B = {x}.shape[0], T = {x}.shape[1];",
            .. Projections((name, projected, unit) => Heads(name, projected, (IsContext ? "state." : "state?.") + TitansStateWriter.TailField(name), unit), x),
            $"Tensor[] M = TitansBlocks.ForRows(B, [{Weights}]);  // M_0",
        ]);
        string target = Target.Length > 0 ? Target + "M" : "";
        writer.Lines(IsContext
            ? [$"return state.Blocks.Read({Inputs}, M, initialMomenta: null, Options{target}{Residual}, read: span.Start);"]
            : Returned("M", null, target, "").ToArray());
    }

    // Without a state the operator itself reads; both are given what a sequence begins with.
    private IEnumerable<string> Returned(string weights, string? momenta, string target, string bang)
    {
        yield return ReturnsPrefix ? "Tensor m = state is null" : "return state is null";
        yield return $"    ? TitansMlp.Apply({Inputs}, {weights}{bang}, Options{(momenta is null ? "" : ", " + momenta)}{target}{Residual}).Output";
        yield return $"    : state.Blocks.Read({Inputs}, {weights}, {momenta ?? "initialMomenta: null"}, Options{target}{Residual});";
        if (ReturnsPrefix)
            yield return "return (recalled, m);";
    }

    private void WriteReadAfterPrefix(CodeWriter writer)
    {
        string target = Target.Length > 0 ? Target + $"TitansBlocks.ForRows(B, [{Weights}])" : "";
        string? momenta = spec.Momentum ? "S" : null;
        string begun = momenta is null ? "M" : "(M, S)";
        writer.Lines(spec.Muon
            ? "// Every token recalls from the memory that its block began with; a complete block is written, and before the first the persistent tokens."
            : "// Every token writes, then recalls; before the first of a sequence the persistent tokens have written.");
        using (writer.Block($"public {(ReturnsPrefix ? "(Tensor Tokens, Tensor X)" : "Tensor")} Read(Tensor x, Tensor tokens, {state}? state)  // [B, T, D] and [1, P, D] -> {(ReturnsPrefix ? "[1, P, H, K] and " : "")}[B, T, H, K]"))
        {
            writer.Lines("long B = x.shape[0];");
            if (ReturnsPrefix)
                writer.Lines($"var (recalled, {begun.Trim('(', ')')}) = Begin(tokens, B);");
            else
                writer.Lines(
                    "// Where no row begins, the state holds what the persistent tokens wrote.",
                    "Tensor? before = state is { Blocks.Begins: false } ? null : tokens;",
                    momenta is null
                        ? "Tensor[]? M = before is null ? null : Begin(before, B);"
                        : "var (M, S) = before is null ? (null, null) : Begin(before, B);");
            string parameters = !spec.HasConvolution ? "" : ReturnsPrefix ? ", tokens, state" : ", before, state";
            writer.Lines([$"var ({Names("")}) = Project(x{parameters});", .. Returned("M", momenta, target, ReturnsPrefix ? "" : "!")]);
        }

        writer.Blank();
        WriteBegin(writer);
        writer.Blank();
        WriteProject(writer);
    }

    private void WriteBegin(CodeWriter writer)
    {
        string nullable = ReturnsPrefix ? "" : "?";
        string[] types = [.. ReturnsPrefix ? new[] { "Tensor Recalled" } : [], $"Tensor[]{nullable} M", .. spec.Momentum ? new[] { $"Tensor[]{nullable} S" } : []];
        writer.Lines("// The memory after the persistent tokens: the same for every sequence, so read once for all rows.");
        using CodeWriter.Scope method = writer.Block($"private {(types.Length > 1 ? $"({string.Join(", ", types)})" : "Tensor[]")} Begin(Tensor tokens, long B)");
        string[] values =
        [
            .. ReturnsPrefix ? new[] { "read.Output" } : [],
            "TitansBlocks.ForRows(B, read.FinalWeights)",
            .. spec.Momentum ? new[] { "TitansBlocks.ForRows(B, read.FinalMomenta)" } : [],
        ];
        writer.Lines(
            $"var ({Names("")}) = Project(tokens{(spec.HasConvolution ? ", null, null" : "")});",
            $"Tensor[] first = TitansBlocks.ForRows(1, [{Weights}]);  // M_0",
            $"var read = TitansMlp.Apply({Inputs}, first, Options{(Target.Length > 0 ? Target + "first" : "")}{Residual});",
            $"return {(values.Length > 1 ? $"({string.Join(", ", values)})" : values[0])};");
    }

    private void WriteProject(CodeWriter writer)
    {
        string parameters = spec.HasConvolution ? $", Tensor? before, {state}? state" : "";
        using (writer.Block($"private ({Names("Tensor ")}) Project(Tensor x{parameters})"))
            writer.Lines(
            [
                spec.HasConvolution && HasGate ? null : "long B = x.shape[0], T = x.shape[1];",
                .. Projections(
                    (name, projected, unit) => Unit(
                        spec.HasConvolution
                            ? $"Convolved({projected}, {name}, {name}_convolution, before, state?.{TitansStateWriter.TailField(name)})"
                            : $"{projected}.view(B, T, Heads, HeadDim)",
                        unit),
                    "x"),
                $"return ({Names("")});",
            ]);
        if (!spec.HasConvolution)
            return;
        writer.Lines("", "// The convolution of what was projected; what stands before the first token is past to it.");
        using (writer.Block("private static Tensor Convolved(Tensor x, Linear projection, ShortConvolution convolution, Tensor? before, StateTensor? tail)"))
            writer.Lines(
                "Tensor y = before is null",
                "    ? convolution.call(x, tail)",
                "    : convolution.After(Projection.Apply(before, projection), x, tail);",
                "return y.view(x.shape[0], x.shape[1], Heads, HeadDim);  // [B, T, H, K]");
    }

    private string Names(string type) => string.Join(
        ", ", new[] { "q", "k", "v", "theta", spec.Momentum ? "eta" : null, spec.Forgetting ? "alpha" : null }.OfType<string>().Select(name => type + name));

    private string Inputs => "q, k, v, theta, " + (spec.Momentum ? "eta" : "eta: null") + ", " + (spec.Forgetting ? "alpha" : "alpha: null");

    // Whether theta has the axes of a call without being given them.
    private bool HasGate => spec.AdaptiveStep || spec.Momentum;

    private IEnumerable<string> Projections(System.Func<string, string, bool, string> project, string x)
    {
        (string Layer, string Result)[] layers =
        [
            ("query", "queries"), ("key", "keys"), ("value", "values"),
            .. spec.AdaptiveStep ? new[] { ("step", "steps") } : [],
            .. spec.Momentum ? new[] { ("momentum", "momenta") } : [],
            .. spec.Forgetting ? new[] { ("forgetting", "forgettings") } : [],
        ];
        string apply = layers.Length > 3 ? "WithGates" : "Apply";
        yield return $"var ({string.Join(", ", layers.Select(l => l.Result))}) = Projection.{apply}({x}, {string.Join(", ", layers.Select(l => l.Layer))});";
        yield return $"Tensor q = {project("query", "queries", spec.UnitLength)};  // [B, T, H, K]";
        yield return $"Tensor k = {project("key", "keys", spec.UnitLength)};  // [B, T, H, K]";
        yield return $"Tensor v = {project("value", "values", false)};  // [B, T, H, K]";
        if (spec.Momentum)
            yield return "Tensor eta = MaxMomentum * momenta.sigmoid();  // [B, T, H], " + (spec.Muon ? "of whose mean over a block its momentum is kept" : "how much of the last change goes on");
        string step = spec.AdaptiveStep ? "steps.sigmoid()" : "step.sigmoid()";
        string factor = spec.Muon ? "" : (spec.MaxStep == 1 ? "" : "MaxStep * ") + (spec.Momentum ? "(1.0 - eta) * " : "");
        yield return spec.Muon
            ? $"Tensor theta = {step};  // [B, T, H], what a token weighs in its block"
            : spec.AdaptiveStep || spec.Momentum
            ? $"Tensor theta = {factor}{step};  // [B, T, H], step size"
            : $"Tensor theta = ({factor}{step}).expand(B, T, Heads);  // [B, T, H], step size";
        if (spec.Forgetting)
            yield return "Tensor alpha = forgettings.sigmoid();  // [B, T, H], how much is forgotten";
    }

    // What was projected, convolved, as heads of features.
    private string Heads(string name, string projected, string tail, bool unit) => spec.HasConvolution
        ? $"{name}_convolution.{(unit ? "UnitHeads" : "Heads")}({projected}, Heads, {tail})"
        : Unit($"{projected}.view(B, T, Heads, HeadDim)", unit);

    private static string Unit(string features, bool unit) => unit ? $"UnitLength.Apply({features})" : features;
}
