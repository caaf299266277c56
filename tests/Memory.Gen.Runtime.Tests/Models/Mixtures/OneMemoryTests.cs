using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Mixtures;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, Memories = 1, TopK = 1, SharedMemory = false)]
public sealed partial class OneGatedDelta;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 5, ValueDim = 4, Memories = 1, TopK = 1, Rule = MemoryRule.BonusDecay, SharedMemory = false)]
public sealed partial class OneBonusDecay;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 5, ValueDim = 4, Rule = MemoryRule.BonusDecay)]
public sealed partial class LoneBonusDecay;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 5, ValueDim = 4, Memories = 1, TopK = 1, Householders = 3, SharedMemory = false)]
public sealed partial class OneDeltaProduct;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 5, ValueDim = 4, Householders = 3)]
public sealed partial class LoneDeltaProduct;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 6, KeyHeads = 2, KeyDim = 5, ValueDim = 4, Memories = 1, TopK = 1, Householders = 2, SharedMemory = false)]
public sealed partial class OneSharedKeys;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 6, KeyHeads = 2, KeyDim = 5, ValueDim = 4, Householders = 2)]
public sealed partial class LoneSharedKeys;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 5, ValueDim = 4, Memories = 1, TopK = 1, Rule = MemoryRule.GatedSlots, Slots = 7, SharedMemory = false)]
public sealed partial class OneGatedSlots;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 5, ValueDim = 4, Rule = MemoryRule.GatedSlots, Slots = 7)]
public sealed partial class LoneGatedSlots;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 5, ValueDim = 4, Memories = 1, TopK = 1, Rule = MemoryRule.TiedDecay, SharedMemory = false)]
public sealed partial class OneTiedDecay;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 5, ValueDim = 4, Rule = MemoryRule.TiedDecay)]
public sealed partial class LoneTiedDecay;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 5, ValueDim = 4, Memories = 1, TopK = 1, Rule = MemoryRule.GeneralizedDelta, SharedMemory = false)]
public sealed partial class OneGeneralizedDelta;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 5, ValueDim = 4, Rule = MemoryRule.GeneralizedDelta)]
public sealed partial class LoneGeneralizedDelta;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 3)]
[MixtureOfMemories(Heads = 2, Memories = 1, TopK = 1, Rule = MemoryRule.TiedDecay, SharedMemory = false)]
public sealed partial class OneTiedDecayStack;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 3)]
[LinearMemory(Heads = 2, Rule = MemoryRule.TiedDecay)]
public sealed partial class LoneTiedDecayStack;

/// <summary>A mixture of one memory without another is the linear memory itself, weight by weight.</summary>
public sealed class OneMemoryTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(nameof(OneGatedDelta))]
    [InlineData(nameof(OneBonusDecay))]
    [InlineData(nameof(OneDeltaProduct))]
    [InlineData(nameof(OneSharedKeys))]
    [InlineData(nameof(OneGatedSlots))]
    [InlineData(nameof(OneTiedDecay))]
    [InlineData(nameof(OneGeneralizedDelta))]
    public void ItIsTheLinearMemoryItself(string name)
    {
        var (one, lone) = New(name);
        using nn.Module<Tensor, Tensor> mixture = one, memory = lone;
        using var random = new Generator(4, CPU);
        Tensor Normal(long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);
        RandomWeights.Fill(one, 0.5, Normal);
        CopyWeights(one, lone);
        Tensor x = Normal([2, 21, 6]);
        using MemoryState state = ((IMemoryLayer)one).NewState(2), other = ((IMemoryLayer)lone).NewState(2);
        Numbers.Near(((IMemoryLayer)lone).Prefill(x, other), ((IMemoryLayer)one).Prefill(x, state), 1e-13, "outputs");
        foreach (var (a, b) in other.Tensors.Zip(state.Tensors))
            Numbers.Near(a.Value, b.Value.squeeze(1), 1e-13, a.Name);
    }

    /// <summary>The least decay of a layer, which grows with its place, is that of its memories.</summary>
    [Fact]
    public void ItHasThePlaceOfTheLinearMemory()
    {
        using var one = new OneTiedDecayStack(dtype: ScalarType.Float64);
        using var lone = new LoneTiedDecayStack(dtype: ScalarType.Float64);
        using var random = new Generator(4, CPU);
        RandomWeights.Fill(one, 0.5, shape => randn(shape, dtype: ScalarType.Float64, generator: random));
        CopyWeights(one, lone);
        Tensor tokens = randint(0, 11, [2, 21], dtype: ScalarType.Int64, generator: random);
        Numbers.Near(lone.call(tokens), one.call(tokens), 1e-13, "logits");
    }

    private static void CopyWeights(nn.Module<Tensor, Tensor> one, nn.Module<Tensor, Tensor> lone)
    {
        using var quiet = no_grad();
        foreach (var (key, parameter) in lone.named_parameters())
            parameter.copy_(one.get_parameter(key)!.view(parameter.shape));
    }

    private static (nn.Module<Tensor, Tensor> One, nn.Module<Tensor, Tensor> Lone) New(string name)
    {
        const ScalarType type = ScalarType.Float64;
        return name switch
        {
            nameof(OneDeltaProduct) => (new OneDeltaProduct(dtype: type), new LoneDeltaProduct(dtype: type)),
            nameof(OneSharedKeys) => (new OneSharedKeys(dtype: type), new LoneSharedKeys(dtype: type)),
            nameof(OneGatedSlots) => (new OneGatedSlots(dtype: type), new LoneGatedSlots(dtype: type)),
            nameof(OneTiedDecay) => (new OneTiedDecay(dtype: type), new LoneTiedDecay(dtype: type)),
            nameof(OneGeneralizedDelta) => (new OneGeneralizedDelta(dtype: type), new LoneGeneralizedDelta(dtype: type)),
            nameof(OneBonusDecay) => (new OneBonusDecay(dtype: type), new LoneBonusDecay(dtype: type)),
            _ => (new OneGatedDelta(dtype: type), new GatedDeltaLayer(dtype: type)),
        };
    }
}
