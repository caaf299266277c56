using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Titans;

// A block that a text does not fill keeps the gates of its tokens in the state.

[MemoryLayer(Dim = 32)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 64)]
public sealed partial class GatedTitans;

[MemoryLayer(Dim = 32)]
[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 8, Block = 64, PersistentTokens = 3, Forgetting = false)]
public sealed partial class PrefixedGatedTitans;

[MemoryLayer(Dim = 32)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 64, AdaptiveStep = false, ConvWidth = 0)]
public sealed partial class FixedStepTitans;

/// <summary>theta, eta and alpha of a model in 16 bits: their logits are sums with biases of some units, which 16 bits round to 1/32.</summary>
public sealed class TitansGateTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(11, CPU);

    public static TheoryData<string> All => [nameof(GatedTitans), nameof(PrefixedGatedTitans), nameof(FixedStepTitans)];

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void GatesOfA16BitModelAreThoseOfItsNumbersInFloat64(string name)
    {
        using nn.Module<Tensor, Tensor> layer = New(name);
        RandomWeights.Fill(layer, 0.3, shape => randn(shape, generator: random));
        using (no_grad())
            if (layer.get_parameter("mixer.memory.forgetting.bias") is { } bias) bias.sub_(4.6);
        Check(layer);
        // A model that was made in float32 has its biases in 16 bits too.
        if (name != nameof(FixedStepTitans)) Check(layer.to(ScalarType.BFloat16));
    }

    [Theory, MemberData(nameof(All))]
    public void TheirBiasesStayInFloat32(string name)
    {
        using nn.Module<Tensor, Tensor> layer = New(name);
        Assert.All(layer.named_parameters(), p => Assert.Equal(
            p.name is "mixer.memory.step" or "mixer.memory.step.bias" or "mixer.memory.momentum.bias" or "mixer.memory.forgetting.bias" ? ScalarType.Float32 : ScalarType.BFloat16,
            p.parameter.dtype));
        layer.call(Features()).sum().backward();
        Assert.All(layer.named_parameters().Where(p => p.name.StartsWith("mixer.memory", StringComparison.Ordinal)), p => Assert.True(p.parameter.grad!.count_nonzero().item<long>() > 0, p.name));
    }

    private void Check(nn.Module<Tensor, Tensor> layer)
    {
        Tensor x = Features();
        using MemoryState state = ((IMemoryLayer)layer).NewState(x.shape[0]);
        using (no_grad())
            ((IMemoryLayer)layer).Prefill(x, state);
        Tensor? Exact(string weight) => layer.get_parameter("mixer.memory." + weight)?.to(ScalarType.Float64);
        Tensor? Open(string gate) => (Exact(gate + ".weight") is { } weight ? x.to(ScalarType.Float64).matmul(weight.t()) + Exact(gate + ".bias")! : Exact(gate))?.sigmoid();
        Tensor eta = 0.95 * Open("momentum")!;
        foreach ((string gate, Tensor? expected) in new (string, Tensor?)[] { ("theta", (1 - eta) * Open("step")!), ("eta", eta), ("alpha", Open("forgetting")) })
        {
            if (expected is null) continue;
            Tensor kept = state.Tensors.Single(t => t.Name == "mixer.memory_" + gate).Value;
            double error = ((kept.narrow(1, 0, x.shape[1]) - expected) / expected).abs().max().item<double>();
            Assert.True(error < 1e-5, $"{gate} is {error:g2} of itself off");
        }
    }

    private Tensor Features() => randn([2, 40, 32], generator: random).to(ScalarType.BFloat16);

    private static nn.Module<Tensor, Tensor> New(string name) => name switch
    {
        nameof(GatedTitans) => new GatedTitans(dtype: ScalarType.BFloat16),
        nameof(PrefixedGatedTitans) => new PrefixedGatedTitans(dtype: ScalarType.BFloat16),
        _ => new FixedStepTitans(dtype: ScalarType.BFloat16),
    };
}
