using Memory.Gen.Runtime.Operators;
using Memory.Gen.Training;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 1)]
public sealed partial class OneMatrixTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 1, MemoryDepth = 2)]
public sealed partial class TwoLayerTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 1, MemoryDepth = 4)]
public sealed partial class FourLayerTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.Gate, Heads = 1, Window = 64)]
public sealed partial class GateOfTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.Layer, Heads = 1, Window = 64)]
public sealed partial class LayerOfTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.Context, Heads = 1, Window = 64)]
public sealed partial class ContextOfTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 2, FeedForward = 0)]
[TitansMemory(TitansVariant.Context, Heads = 1, Window = 16)]
public sealed partial class ContextsOfTitans;

[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.Context, Heads = 1, Window = 64, MaxStep = 1, BackpropSegments = 1_048_576)]
public sealed partial class UncutContextOfTitans;

/// <summary>
/// A block's writes all start from the same weights, so a key that repeats within it is written too strongly, and the error of
/// one block is the next one's gradient: the defaults must keep that from growing, over long texts and over training.
/// </summary>
public sealed class StabilityTests : IDisposable
{
    private const double LearningRate = 5e-3;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> Depths => [nameof(OneMatrixTitans), nameof(TwoLayerTitans), nameof(FourLayerTitans)];

    public static TheoryData<string> Variants => [nameof(GateOfTitans), nameof(LayerOfTitans), nameof(ContextOfTitans)];

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(Depths))]
    public void DefaultsStayFiniteThroughFiftyStepsOfLongText(string name) => Train(name, steps: 50, length: 4096);

    [Theory, MemberData(nameof(Depths)), Trait("Category", "Soak")]
    public void DefaultsStayFiniteThroughTwoThousandSteps(string name) => Train(name, steps: 2_000, length: 4096);

    [Theory, MemberData(nameof(Depths)), Trait("Category", "Soak")]
    public void DefaultsStayFiniteOverSixteenThousandTokens(string name) => Train(name, steps: 20, length: 16_384);

    [Theory, MemberData(nameof(Variants))]
    public void EveryVariantStaysFiniteThroughTenSteps(string name) => Train(name, steps: 10, length: 4096);

    [Theory, MemberData(nameof(Variants)), Trait("Category", "Soak")]
    public void EveryVariantStaysFiniteOverSixteenThousandTokens(string name) => Train(name, steps: 20, length: 16_384);

    /// <summary>Segments begin with what others recalled: the gradient through 64 of them is as large as through few, and was 1e8 and more.</summary>
    [Fact]
    public void TheGradientOfContextDoesNotGrowWithTheText()
    {
        double few = Train(nameof(ContextOfTitans), steps: 3, length: 512), many = Train(nameof(ContextOfTitans), steps: 3, length: 4096);
        Assert.InRange(many, 0, 10 * few);
        Assert.InRange(Train(nameof(UncutContextOfTitans), steps: 3, length: 4096), 1e6 * few, double.MaxValue);
    }

    /// <summary>What is recalled is written again: where steps are long, rounding grows from segment to segment until nothing is left of the numbers.</summary>
    [Fact]
    public void ContextStreamsThroughAHundredSegments()
    {
        using var quiet = no_grad();
        using var random = new Generator(3, CPU);
        using var model = (ContextsOfTitans)New(nameof(ContextsOfTitans)).to(ScalarType.Float64);
        Tensor text = Text(1600, random);
        Tensor whole = model.call(text);
        using var state = model.NewState(1);
        var pieces = new List<Tensor>();
        long at = 0;
        foreach (long length in Numbers.Split(text.shape[1], new Random(3)))
        {
            pieces.Add(model.Prefill(text.narrow(1, at, length), state));
            at += length;
        }

        Numbers.Near(whole, cat(pieces, 1), 1e-10, "logits");
    }

    [Theory, InlineData(1), InlineData(2)]
    public void GatesAtTheirEndsStayFinite(int depth) => ReadOneKey(depth, tokens: 2048);

    [Theory, InlineData(1), InlineData(2), Trait("Category", "Soak")]
    public void GatesAtTheirEndsStayFiniteOverSixteenThousandTokens(int depth) => ReadOneKey(depth, tokens: 16_384);

    /// <summary>One key with other values, the longest step, the most momentum and no forgetting, at the defaults' block and bound.</summary>
    private static void ReadOneKey(int depth, long tokens)
    {
        const double MaxMomentum = 0.95;
        const long K = 16;
        using var random = new Generator(5, CPU);
        Tensor Normal(params long[] shape) => randn(shape, generator: random);
        double maxStep = depth == 1 ? 1 : 0.25;
        Tensor key = Normal(1, 1, 1, K);
        Tensor[] inputs =
        [
            Normal(1, tokens, 1, K), (key / key.norm()).expand(1, tokens, 1, K).clone(), Normal(1, tokens, 1, K),
            full([1, tokens, 1], maxStep * (1 - MaxMomentum)), full([1, tokens, 1], MaxMomentum), zeros([1, tokens, 1]),
            .. Enumerable.Range(1, depth).Select(l => Normal(1, 1, l == 1 ? K : 2 * K, l == depth ? K : 2 * K) / Math.Sqrt(K)),
        ];
        foreach (Tensor input in inputs)
            input.requires_grad_();
        TitansMlpRead read = TitansMlp.Apply(
            inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5], inputs[6..], new TitansOptions(Block: 16) { Clip = 1 });
        var gradients = autograd.grad([read.Output.sum()], inputs);
        Assert.All([read.Output, .. read.FinalWeights, .. read.FinalMomenta, .. gradients], each => Assert.True(each.isfinite().all().item<bool>()));
    }

    /// <returns>The largest norm of a step's gradient.</returns>
    private static double Train(string name, long steps, long length)
    {
        double most = 0;
        using var random = new Generator(3, CPU);
        using var model = New(name);
        using var optimization = new Optimization(model, new TrainingOptions { LearningRate = LearningRate });
        for (long step = 0; step < steps; step++)
        {
            using var inner = NewDisposeScope();
            Tensor text = Text(length + 1, random);
            Tensor loss = CrossEntropy.Apply(model.call(text.narrow(1, 0, length)).view(length, -1), text.narrow(1, 1, length).view(length));
            model.zero_grad();
            loss.backward();
            double norm = optimization.Step(LearningRate, 1);
            most = Math.Max(most, norm);
            Assert.True(double.IsFinite(loss.item<float>()) && double.IsFinite(norm), $"step {step}: loss {loss.item<float>()}, gradient norm {norm}");
        }

        Assert.All(model.named_parameters(), p => Assert.True(p.parameter.isfinite().all().item<bool>(), p.name));
        return most;
    }

    /// <summary>Stretches of one token, which give a block of equal keys, and of random ones, by turns: <c>[1, tokens]</c>.</summary>
    private static Tensor Text(long tokens, Generator random)
    {
        const long Stretch = 64;
        long count = (tokens + Stretch - 1) / Stretch;
        Tensor Draw(long each) => randint(0, 64, [count, each], dtype: ScalarType.Int64, generator: random);
        Tensor repeats = arange(count, dtype: ScalarType.Int64).remainder(2).eq(0).unsqueeze(1);
        return where(repeats, Draw(1).expand(-1, Stretch), Draw(Stretch)).reshape(1, -1).narrow(1, 0, tokens);
    }

    private static nn.Module<Tensor, Tensor> New(string name)
    {
        using var quiet = no_grad();
        using var random = new Generator(1, CPU);
        nn.Module<Tensor, Tensor> model = name switch
        {
            nameof(OneMatrixTitans) => new OneMatrixTitans(),
            nameof(TwoLayerTitans) => new TwoLayerTitans(),
            nameof(FourLayerTitans) => new FourLayerTitans(),
            nameof(GateOfTitans) => new GateOfTitans(),
            nameof(LayerOfTitans) => new LayerOfTitans(),
            nameof(ContextsOfTitans) => new ContextsOfTitans(),
            nameof(UncutContextOfTitans) => new UncutContextOfTitans(),
            _ => new ContextOfTitans(),
        };

        // Other tests draw from the process-wide generator at the same time.
        foreach (Parameter parameter in model.parameters().Where(p => p.dim() > 1))
            parameter.copy_((rand(parameter.shape, generator: random) * 2 - 1) * Math.Sqrt(3.0 / parameter.shape[^1]));
        return model;
    }
}
