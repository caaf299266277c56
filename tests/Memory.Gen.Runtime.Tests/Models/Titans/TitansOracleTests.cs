using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Titans;

// Persistent tokens do not fill their last block, and a text ends within a block and within a segment.

[MemoryLayer(Dim = 6)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 4, PersistentTokens = 6)]
public sealed partial class MemoryOnlyTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 5, Block = 4, MemoryDepth = 2, PersistentTokens = 3)]
public sealed partial class GateTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 6, Block = 4, Attention = TitansAttention.Segmented, Squash = TitansSquash.Memory, Momentum = false,
    PersistentTokens = 2, Persistent = TitansPersistent.KeyValue)]
public sealed partial class SegmentedGateTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Layer, Heads = 2, Window = 4, Block = 5, DecayTo = TitansDecayTarget.Initial, PersistentTokens = 3)]
public sealed partial class LayerTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 6, Block = 3, MemoryDepth = 2, PersistentTokens = 2)]
public sealed partial class ContextTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 4, Forgetting = false)]
public sealed partial class OneBlockContextTitans;

/// <summary>Every way of putting memory and attention together against its equations, token by token in float64.</summary>
public sealed class TitansOracleTests : IDisposable
{
    private const long Rows = 2, Tokens = 17;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(7, CPU);

    public static TheoryData<string> All =>
    [
        nameof(MemoryOnlyTitans), nameof(GateTitans), nameof(SegmentedGateTitans), nameof(LayerTitans), nameof(ContextTitans), nameof(OneBlockContextTitans),
    ];

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ALayerIsItsEquationsTokenByToken(string name)
    {
        var (layer, rule) = New(name);
        using var owned = layer;
        using (no_grad())
            foreach (var (key, parameter) in layer.named_parameters())
                parameter.copy_((Normal(parameter.shape) * 0.5) + (key.EndsWith("norm.weight", StringComparison.Ordinal) ? 1.0 : 0.0));
        Tensor x = Normal(Rows, Tokens, name == nameof(MemoryOnlyTitans) ? 6 : 8).requires_grad_();
        Tensor expected = stack([.. x.unbind(0).Select(row => new TitansOracle(rule, weight => layer.get_parameter("mixer." + weight)).Read(row))], 0);
        using MemoryState state = ((IMemoryLayer)layer).NewState(Rows);
        Tensor whole = layer.call(x), split = cat([.. new[] { (0L, 9L), (9, 1), (10, 7) }.Select(part => ((IMemoryLayer)layer).Prefill(x.narrow(1, part.Item1, part.Item2), state))], 1);
        Numbers.Near(expected, whole, 1e-12, "outputs");
        Numbers.Near(expected, split, 1e-12, "outputs in parts");

        Tensor upstream = Normal(expected.shape);
        (string Name, Tensor Weight)[] inputs = [("x", x), .. layer.named_parameters().Select(p => (p.name, (Tensor)p.parameter))];
        var wanted = autograd.grad([expected], [.. inputs.Select(i => i.Weight)], [upstream]);
        foreach (Tensor actual in new[] { whole, split })
        {
            var found = autograd.grad([actual], [.. inputs.Select(i => i.Weight)], [upstream]);
            for (int i = 0; i < inputs.Length; i++)
                Numbers.Near(wanted[i], found[i], 1e-10, $"gradient of {inputs[i].Name}");
        }
    }

    private static (nn.Module<Tensor, Tensor> Layer, TitansRule Rule) New(string name) => name switch
    {
        nameof(MemoryOnlyTitans) => (new MemoryOnlyTitans(dtype: ScalarType.Float64), new(TitansVariant.MemoryOnly, 4)),
        nameof(GateTitans) => (new GateTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 4, 5) { MaxStep = 0.25 }),
        nameof(SegmentedGateTitans) => (new SegmentedGateTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 4, 6) { IsSegmented = true, SquashesMemory = true }),
        nameof(LayerTitans) => (new LayerTitans(dtype: ScalarType.Float64), new(TitansVariant.Layer, 5, 4) { DecaysToInitial = true }),
        nameof(ContextTitans) => (new ContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 3, 6) { MaxStep = 0.25 }),
        _ => (new OneBlockContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 4, 4)),
    };

    private Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);
}
