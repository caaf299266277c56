using Memory.Gen.Runtime.Tests.Models.StateSpaces;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 64)]
public sealed partial class TransformerCase;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 7)]
public sealed partial class WindowCase;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 0, FadingTokens = 1, FadingOffset = 0)]
public sealed partial class MambaCase;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 7, FadingTokens = 7)]
public sealed partial class FadingCase;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 5, EideticTokens = 40, Score = BMojoScore.Norm, Positions = BMojoPositions.Absolute)]
public sealed partial class EverythingCase;

[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "MA", FeedForward = 0)]
[BMojoMemory('M', Heads = 2, Window = 0, FadingTokens = 1, FadingOffset = 0)]
[BMojoMemory('A', Heads = 2, Window = 7)]
public sealed partial class JambaLikeCase;

/// <summary>Settings at which a B'MOJO layer is a known one: each against that one, written as matrices.</summary>
public sealed class SpecialCaseTests : IDisposable
{
    private const long Tokens = 40, Heads = 2;
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(ScalarType.Float64, 1e-10)]
    [InlineData(ScalarType.Float32, 1e-6)]
    public void AWindowOfTheWholeTextIsATransformersAttention(ScalarType dtype, double limit) =>
        Check(new TransformerCase(dtype: dtype), dtype, limit, (x, weight) => Dense(x, weight, (t, s) => s <= t));

    [Theory]
    [InlineData(ScalarType.Float64, 1e-10)]
    [InlineData(ScalarType.Float32, 1e-6)]
    public void AWindowAloneIsSlidingAttention(ScalarType dtype, double limit) =>
        Check(new WindowCase(dtype: dtype), dtype, limit, (x, weight) => Dense(x, weight, (t, s) => s <= t && s > t - 7));

    /// <summary>A softmax over one key is 1.</summary>
    [Theory]
    [InlineData(ScalarType.Float64, 1e-10)]
    [InlineData(ScalarType.Float32, 1e-6)]
    public void NoWindowAndTheTokensOwnFadingOutputIsMamba(ScalarType dtype, double limit) =>
        Check(new MambaCase(dtype: dtype), dtype, limit, (x, weight) => Mamba(x, weight).matmul(weight("value").t()).matmul(weight("output").t()));

    /// <summary>The index sets of Hybrid Model Factory: t - w &lt; s &lt;= t in the window, t - 2w &lt; s &lt;= t - w of the fading outputs.</summary>
    [Theory]
    [InlineData(ScalarType.Float64, 1e-10)]
    [InlineData(ScalarType.Float32, 1e-6)]
    public void AsManyFadingTokensAsTheWindowIsBMojoF(ScalarType dtype, double limit) =>
        Check(new FadingCase(dtype: dtype), dtype, limit, (x, weight) => Dense(
            x, weight, (t, s) => s <= t && s > t - 7, Mamba(x, weight), (t, s) => s <= t - 7 && s > t - 14));

    /// <summary>A transformer's projections, primed for fading outputs: a long range that differs only beyond the window.</summary>
    [Fact]
    public void ATransformersWeightsInBMojoFDifferOnlyBeyondTheWindow()
    {
        using var quiet = no_grad();
        using var transformer = new TransformerCase(dtype: ScalarType.Float64);
        using var primed = new FadingCase(dtype: ScalarType.Float64);
        using var random = new Generator(5, CPU);
        foreach (var (name, parameter) in transformer.named_parameters())
        {
            parameter.copy_(randn(parameter.shape, dtype: ScalarType.Float64, generator: random) * 0.4);
            primed.get_parameter(name)!.copy_(parameter);
        }

        Tensor x = randn([1, Tokens, 8], dtype: ScalarType.Float64, generator: random), expected = transformer.call(x), actual = primed.call(x);
        Numbers.Near(expected.narrow(1, 0, 7), actual.narrow(1, 0, 7), 1e-14, "tokens that see a window");
        for (long t = 7; t < Tokens; t++)
            Assert.True(Numbers.Error(expected.select(1, t), actual.select(1, t)) > 1e-6, $"token {t} is as if it had no fading memory");
    }

    /// <summary>A Jamba-like hybrid is a Pattern of such layers: its first layer is Mamba, its second a sliding window.</summary>
    [Fact]
    public void APatternOfSpecialCasesIsTheirCompositionLayerByLayer()
    {
        using var quiet = no_grad();
        using var model = new JambaLikeCase(dtype: ScalarType.Float64);
        using var random = new Generator(6, CPU);
        RandomWeights.Fill(model, 0.4, shape => randn(shape, dtype: ScalarType.Float64, generator: random));
        Tensor tokens = randint(0, 11, [Tokens], dtype: ScalarType.Int64, generator: random);

        Tensor x = model.get_parameter("embedding.weight")![tokens];
        x = x + Layer(0, n => Mamba(n, Weight(0)).matmul(Weight(0)("value").t()).matmul(Weight(0)("output").t()));
        x = x + Layer(1, n => Dense(n, Weight(1), (t, s) => s <= t && s > t - 7));
        Tensor expected = Normed(x, "norm.weight").matmul(model.get_parameter("head.weight")!.t());

        Numbers.Near(expected, model.call(tokens.unsqueeze(0)).squeeze(0), 1e-10, "logits");

        Tensor Layer(int i, Func<Tensor, Tensor> mixer) => mixer(Normed(x, $"layers.{i}.mixer_norm.weight"));
        Tensor Normed(Tensor of, string weight) => of / (of.square().mean([1], keepdim: true) + 1e-6).sqrt() * model.get_parameter(weight)!;
        Func<string, Tensor> Weight(int i) => name => model.get_parameter($"layers.{i}.mixer.{name}.weight") ?? model.get_parameter($"layers.{i}.mixer.{name}")!;
    }

    [Fact]
    public void SlotsForEverythingAreFullAttention() =>
        Check(new EverythingCase(dtype: ScalarType.Float64), ScalarType.Float64, 1e-12, (x, weight) => Dense(x, weight, (t, s) => s <= t));

    private static void Check(nn.Module<Tensor, Tensor> layer, ScalarType dtype, double limit, Func<Tensor, Func<string, Tensor>, Tensor> definition)
    {
        using var own = layer;
        using var quiet = no_grad();
        using var random = new Generator(5, CPU);
        Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);
        foreach (var parameter in layer.parameters())
            parameter.copy_(Normal(parameter.shape) * 0.4);
        Tensor x = Normal(Tokens, 8).to(dtype);
        Tensor expected = definition(x.to(ScalarType.Float64), name => layer.get_parameter($"mixer.{name}.weight")?.to(ScalarType.Float64) ?? layer.get_parameter("mixer." + name)!.to(ScalarType.Float64));
        Numbers.Near(expected, layer.call(x.unsqueeze(0)).squeeze(0), limit, layer.GetType().Name);
    }

    // One softmax over all tokens' keys, and those of y after them, with what is not seen masked.
    private static Tensor Dense(
        Tensor x, Func<string, Tensor> weight, Func<int, int, bool> seen, Tensor? y = null, Func<int, int, bool>? seenOfY = null)
    {
        Tensor Split(Tensor from, string name) => from.matmul(weight(name).t()).view(Tokens, Heads, -1).transpose(0, 1);
        Tensor q = Turned(Split(x, "query")), k = Turned(Split(x, "key")), v = Split(x, "value");
        Tensor mask = Mask(seen);
        if (y is not null)
            (k, v, mask) = (cat([k, Turned(Split(y, "key"))], 1), cat([v, Split(y, "value")], 1), cat([mask, Mask(seenOfY!)], 1));
        Tensor scores = q.matmul(k.transpose(1, 2)) / Math.Sqrt(q.shape[2]);
        Tensor read = scores.masked_fill(mask.logical_not(), double.NegativeInfinity).softmax(2).matmul(v);
        return read.transpose(0, 1).reshape(Tokens, 8).matmul(weight("output").t());
    }

    private static Tensor Mask(Func<int, int, bool> seen)
    {
        var marks = new bool[Tokens * Tokens];
        for (int t = 0; t < Tokens; t++)
            for (int s = 0; s < Tokens; s++)
                marks[t * Tokens + s] = seen(t, s);
        return tensor(marks).view(Tokens, Tokens);
    }

    private static Tensor Turned(Tensor heads)
    {
        long half = heads.shape[2] / 2;
        Tensor angles = arange(Tokens, dtype: ScalarType.Float64).unsqueeze(1) * (arange(half, dtype: ScalarType.Float64) * (-Math.Log(10_000) / half)).exp();
        Tensor a = heads.narrow(2, 0, half), b = heads.narrow(2, half, half);
        return cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], 2);
    }

    private static Tensor Mamba(Tensor x, Func<string, Tensor> weight)
    {
        string[] names = ["input.weight", "gate.weight", "convolution.weight", "convolution.bias", "step_down.weight", "step_up.weight", "write.weight", "read.weight", "output.weight", "decay_rate", "step_bias", "skip"];
        var oracle = new SelectiveOracle(names.ToDictionary(name => name, name => weight("fading." + name.Replace(".weight", "")).contiguous().data<double>().ToArray()));
        return stack([.. x.unbind(0).Select(row => tensor(oracle.Read(row.data<double>().ToArray())))], 0);
    }
}
