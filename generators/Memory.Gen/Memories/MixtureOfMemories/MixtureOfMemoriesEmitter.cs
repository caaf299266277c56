using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Writes a mixture of memories.</summary>
internal sealed class MixtureOfMemoriesEmitter(MixtureOfMemoriesSpec spec, int dim) : MixerEmitter
{
    private readonly LinearMemorySpec memory = spec.Memory;
    private readonly MixtureProjection[] projections = MixtureProjection.Of(spec.Memory, dim);
    private readonly (ModulePart Part, Size Size)[] vectors = [.. Vectors(spec.Memory)];

    private IEnumerable<MixtureFactor> Factors => projections.SelectMany(p => p.Factors);

    public override string ModuleName => LinearMemoryTexts.Name(memory) + "Mixture";

    public override string StateName => ModuleName + "State";

    public override bool TakesDepth => memory.IsTied;

    public override string? Loss => spec.BalanceLoss > 0 ? "balances the router" : null;

    public override string Phrase => MixtureOfMemoriesTexts.Phrase(spec);

    public override IEnumerable<string> Equations => MixtureOfMemoriesTexts.Equations(spec);

    public override string Source => MixtureOfMemoriesTexts.Source(spec);

    public override IEnumerable<string> Axes => ["M memories", "H heads", "K key features", "V value features", .. memory.SharesKeys ? new[] { "G key heads" } : [], .. LinearMemoryTexts.FurtherAxes(memory, slots: 'N'), "R rows of what memories are given", "L tokens of such a row"];

    public override Size Size
    {
        get
        {
            long values = (long)memory.Heads * memory.ValueDim;
            long shared = spec.SharedMemory ? 1 : 0, all = spec.Memories + shared, used = spec.TopK + shared;
            Size projected = Size.Product(Factors.Sum(f => f.Weights));
            Size size = Size.Product((dim * (spec.Memories + (LinearMemoryHeads.Of(memory, "query").Count * memory.KeyDim) + values)) + (memory.OutputGate ? dim * values : 0))
                + (spec.SharedProjections ? projected : projected.Times(used) + new Size((all - used) * projected.Parameters))
                + new Size(memory.ValueDim);
            foreach ((_, Size vector) in vectors)
                size += vector;
            if (memory.ConvWidth > 0)
            {
                long channels = MixtureState.Convolved(memory).Sum(name => LinearMemoryHeads.Channels(memory, name));
                size += new Size(memory.ConvWidth * channels, CacheElements: all * (memory.ConvWidth - 1) * channels);
            }

            int matrices = memory.Rule == MemoryRule.Titans ? 2 : 1;
            return size + new Size(0, MemoryElements: all * matrices * memory.Kept, FlopsPerToken: used * 2 * memory.Products * memory.Kept, Reach: null);
        }
    }

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        (string Field, string Type, string Comment, string New)[] modules = Modules().ToArray();
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, Tensor>");
        writer.Lines(
            $"private const long {LinearMemoryHeads.Constants(memory)}, KeyDim = {memory.KeyDim}, ValueDim = {memory.ValueDim}, Memories = {spec.Memories}, TopK = {spec.TopK}{LinearMemoryTexts.FurtherConstant(memory)};",
            LinearMemoryTexts.DecayFactor(memory),
            spec.BalanceLoss > 0 ? $"private const double BalanceLoss = {Prose.Literal(spec.BalanceLoss)};" : null);
        writer.Lines(
        [
            .. TakesDepth ? new[] { LinearMemoryTexts.Depth } : [],
            .. modules.Select(m => $"private readonly {m.Type} {m.Field};{m.Comment}"),
            .. LinearMemoryVectors.Fields(vectors.Select(v => v.Part)),
            "private bool registered;",
            "",
        ]);
        using (writer.Block($"public {module}({(TakesDepth ? "double depth, " : "")}Device? device, ScalarType? dtype) : base(nameof({module}))"))
            writer.Lines([.. TakesDepth ? new[] { "this.depth = depth;" } : [], .. modules.Select(m => $"{m.Field} = {m.New};"), .. vectors.Select(v => $"{v.Part.Name} = {v.Part.Value};"), "RegisterComponents();"]);
        writer.Blank();
        new MixtureForward(spec, projections).Write(writer, state);
        writer.Blank();
        if (memory.SharesKeys)
            SharedKeys.WriteForHeads(writer, "KeyHeads", "key head", "R, L");
        Registration.Write(writer, modules.Select(m => m.Field).ToArray(), vectors.Select(v => v.Part.Name).ToArray());
    }

    public override void WriteState(CodeWriter writer, string state) => MixtureState.Write(writer, spec, state);

    private IEnumerable<(string Field, string Type, string Comment, string New)> Modules()
    {
        yield return Linear("router", "Dim", "Memories", "D -> M");
        (string heads, string axis, _) = LinearMemoryHeads.Of(memory, "query");
        yield return Linear("query", "Dim", heads + " * KeyDim", $"D -> {axis}*K");
        foreach (MixtureFactor factor in Factors)
            yield return spec.SharedProjections
                ? Linear(factor.Field, factor.Inputs, factor.Outputs, factor.Axes)
                : (factor.Field, "RoutedLinear", $"  // {factor.Axes} in each memory", $"new RoutedLinear(Memories, {factor.Inputs}, {factor.Outputs}, device: device, dtype: dtype)");
        if (spec.SharedMemory && !spec.SharedProjections)
            foreach (MixtureFactor factor in Factors)
                yield return Linear("shared_" + factor.Field, factor.Inputs, factor.Outputs, factor.Axes + " in the shared memory");
        if (memory.ConvWidth > 0)
            foreach (string name in MixtureState.Convolved(memory))
                yield return (
                    name + "_convolution", "ShortConvolution", "  // along a memory's own tokens, then SiLU",
                    ModulePart.Convolution(name, LinearMemoryHeads.Of(memory, name).Constant + (name == "value" ? " * ValueDim" : " * KeyDim"), memory.ConvWidth).Value);
        if (memory.OutputGate)
            yield return Linear("gate", "Dim", "Heads * ValueDim", "D -> H*V");
        yield return ("norm", "RmsNorm", "  // over V", "new RmsNorm(ValueDim, device: device, dtype: dtype)");
        yield return Linear("output", "Heads * ValueDim", "Dim", "H*V -> D");

        static (string, string, string, string) Linear(string field, string inputs, string outputs, string axes) =>
            (field, "Linear", $"  // {axes}", $"nn.Linear({inputs}, {outputs}, hasBias: false, device: device, dtype: dtype)");
    }

    // The same for all memories. What GLA adds to a product is a vector of its own here: a routed product has no bias.
    private static IEnumerable<(ModulePart Part, Size Size)> Vectors(LinearMemorySpec memory) => memory.Rule switch
    {
        MemoryRule.ChannelDecay =>
            [LinearMemoryVectors.Vector("decay_bias", $"Initialize.Uniform([Heads * KeyDim], bound: {Prose.Literal(0.25)}, device, Initialize.Wide(dtype))", "[H*K]", (long)memory.Heads * memory.KeyDim)],
        MemoryRule.Titans => [LinearMemoryVectors.Vector("forgetting_bias", "Initialize.Constant(Heads, value: -5.0, device, Initialize.Wide(dtype))", "[H]", memory.Heads)],
        _ => LinearMemoryVectors.Of(memory),
    };
}
