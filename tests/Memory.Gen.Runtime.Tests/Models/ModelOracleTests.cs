using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

[MemoryLayer(Dim = 16)]
[SlidingAttention(Heads = 4, KeyValueHeads = 2, Window = 3, RotaryBase = 100)]
public sealed partial class GroupedWindowAttention;

[MemoryLayer(Dim = 6)]
[SlidingAttention(Heads = 2, Window = 4, RotaryBase = 0)]
public sealed partial class UnplacedAttention;

[MemoryLayer(Dim = 8)]
[SlidingAttention(Heads = 2, KeyValueHeads = 1)]
public sealed partial class WholePastAttention;

[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "wcw", FeedForward = 5)]
[SlidingAttention('w', Heads = 2, Window = 2, FeedForward = 0)]
[SlidingAttention('c', Heads = 4)]
public sealed partial class PatternModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, TiedEmbeddings = true)]
[SlidingAttention(Heads = 1, Window = 3, FeedForward = 7)]
public sealed partial class TiedModel;

/// <summary>Attention, and the stack around any mixer, against their equations in float64.</summary>
public sealed class ModelOracleTests : IDisposable
{
    private const int Rows = 2, Tokens = 9;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(9, CPU);

    public void Dispose()
    {
        scope.Dispose();
        random.Dispose();
    }

    [Fact]
    public void AttentionIsASumOverTheTokensInView()
    {
        Check(new GroupedWindowAttention(dtype: ScalarType.Float64), 16, x => Attention(x, 4, 2, 3, 100));
        Check(new UnplacedAttention(dtype: ScalarType.Float64), 6, x => Attention(x, 2, 2, 4, 0));
        Check(new WholePastAttention(dtype: ScalarType.Float64), 8, x => Attention(x, 2, 1, Tokens, 10_000));

        void Check(nn.Module<Tensor, Tensor> layer, long dim, Func<Func<string, Tensor>, Func<Tensor, Tensor>> definition)
        {
            using var own = Filled(layer);
            Tensor x = Normal(Rows, Tokens, dim);
            Func<Tensor, Tensor> attention = definition(name => layer.get_parameter($"mixer.{name}.weight")!);
            Numbers.Near(stack([.. x.unbind(0).Select(attention)], 0), layer.call(x), 1e-12, layer.GetType().Name);
        }
    }

    /// <summary>A mixer's own feed-forward width wins; where it is 0 the layer ends with its mixer.</summary>
    [Fact]
    public void AModelIsItsLayersInTheOrderOfThePattern()
    {
        using var model = Filled(new PatternModel(dtype: ScalarType.Float64));
        CheckLogits(model, model.get_parameter("head.weight")!, (i, weight) => i == 1 ? Attention(weight, 4, 4, Tokens, 10_000) : Attention(weight, 2, 2, 2, 10_000));
        Assert.Equal(["layers.1.feed_forward.down.weight", "layers.1.feed_forward.gate.weight", "layers.1.feed_forward.up.weight"],
            model.named_parameters().Select(p => p.name).Where(name => name.Contains("feed_forward.", StringComparison.Ordinal)).Order());
        Assert.Equal([5, 8], model.get_parameter("layers.1.feed_forward.up.weight")!.shape);
    }

    [Fact]
    public void TiedEmbeddingsGiveTheLogits()
    {
        using var model = Filled(new TiedModel(dtype: ScalarType.Float64));
        Assert.Null(model.get_parameter("head.weight"));
        Assert.Equal([7, 6], model.get_parameter("layers.0.feed_forward.up.weight")!.shape);
        CheckLogits(model, model.get_parameter("embedding.weight")!, (_, weight) => Attention(weight, 1, 1, 3, 10_000));
    }

    private void CheckLogits(nn.Module<Tensor, Tensor> model, Tensor head, Func<int, Func<string, Tensor>, Func<Tensor, Tensor>> mixer)
    {
        Tensor tokens = randint(0, 11, [Rows, Tokens], dtype: ScalarType.Int64, generator: random);
        Numbers.Near(stack([.. tokens.unbind(0).Select(Logits)], 0), model.call(tokens), 1e-12, model.GetType().Name);

        Tensor Logits(Tensor row)
        {
            Tensor x = model.get_parameter("embedding.weight")![row];
            for (int i = 0; model.get_parameter($"layers.{i}.mixer_norm.weight") is { } norm; i++)
            {
                Tensor Weight(string name) => model.get_parameter($"layers.{i}.{name}.weight")!;
                x = x + mixer(i, name => Weight("mixer." + name))(Normed(x, norm));
                if (model.get_parameter($"layers.{i}.feed_forward_norm.weight") is not { } second)
                    continue;
                Tensor n = Normed(x, second), gate = n.matmul(Weight("feed_forward.gate").t());
                x = x + (gate / (1 + (-gate).exp()) * n.matmul(Weight("feed_forward.up").t())).matmul(Weight("feed_forward.down").t());
            }

            return Normed(x, model.get_parameter("norm.weight")!).matmul(head.t());
        }
    }

    // Features [T, D] in and out; a window sees the token itself and those before it.
    private static Func<Tensor, Tensor> Attention(Func<string, Tensor> weight, int heads, int keyValueHeads, int window, double rotaryBase) => x =>
    {
        Tensor[] q = Heads("query", heads), k = Heads("key", keyValueHeads), v = [.. x.matmul(weight("value").t()).unbind(0).Select(row => row.view(keyValueHeads, -1))];
        return stack([.. Enumerable.Range(0, (int)x.shape[0]).Select(t => weight("output").mv(cat([.. Enumerable.Range(0, heads).Select(h => Read(t, h))], 0)))], 0);

        Tensor Read(int t, int h)
        {
            int g = h / (heads / keyValueHeads);
            (Tensor Weight, Tensor Value)[] seen = [.. Enumerable.Range(0, t + 1).Where(j => j > t - window)
                .Select(j => (((q[t][h] * k[j][g]).sum() / Math.Sqrt(q[t].shape[1])).exp(), v[j][g]))];
            Tensor total = seen.Select(each => each.Weight).Aggregate((a, b) => a + b);
            return seen.Select(each => each.Value * (each.Weight / total)).Aggregate((a, b) => a + b);
        }

        Tensor[] Heads(string name, int count) => [.. x.matmul(weight(name).t()).unbind(0).Select((row, t) => Turned(row.view(count, -1), t))];

        // Feature i and the one half a head further turn by t base^(-2 i / K).
        Tensor Turned(Tensor features, int t)
        {
            if (rotaryBase == 0)
                return features;
            int half = (int)features.shape[1] / 2;
            double[] angles = [.. Enumerable.Range(0, half).Select(i => t * Math.Pow(rotaryBase, -2.0 * i / (2 * half)))];
            Tensor cos = tensor([.. angles.Select(Math.Cos)]), sin = tensor([.. angles.Select(Math.Sin)]);
            Tensor a = features.narrow(1, 0, half), b = features.narrow(1, half, half);
            return cat([(a * cos) - (b * sin), (b * cos) + (a * sin)], 1);
        }
    };

    private static Tensor Normed(Tensor x, Tensor weight) => x / (x.square().mean([1], keepdim: true) + 1e-6).sqrt() * weight;

    private TModule Filled<TModule>(TModule module)
        where TModule : nn.Module
    {
        RandomWeights.Fill(module, 0.4, Normal);
        return module;
    }

    private Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);
}
