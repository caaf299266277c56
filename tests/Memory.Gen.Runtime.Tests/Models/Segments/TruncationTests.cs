using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Segments;

/// <summary>How far back a loss reaches through memories.</summary>
public sealed class TruncationTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void ALossReachesTheMemoriesOfItsStretchAndNoOthers() =>
        CheckReach(new TruncatedModel(dtype: ScalarType.Float64), "memory.memories", depth: 2);

    [Fact]
    public void ALossReachesTheRecurrentMemoriesOfItsStretchAndNoOthers() =>
        CheckReach(new TruncatedOneRowModel(dtype: ScalarType.Float64), "memory.memory", depth: 1);

    [Fact]
    public void WithoutTruncationALossReachesAllMemories() =>
        CheckReach(new RecallingModel(dtype: ScalarType.Float64), "memory.memories", depth: 100);

    [Fact]
    public void TruncationChangesNoNumber()
    {
        using var truncated = new SegmentCase<TruncatedModel>(new TruncatedModel(dtype: ScalarType.Float64));
        using var whole = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64)).With(truncated.Model);
        Tensor text = truncated.Text(2, 30);
        Numbers.Near(whole.Model.call(text), truncated.Model.call(text), 0, "logits");
    }

    [Fact]
    public void GradientsAreThoseOfTheEquationsWithMemoriesCutWhereStretchesBegin()
    {
        using var model = new SegmentCase<TruncatedModel>(new TruncatedModel(dtype: ScalarType.Float64));
        Tensor text = model.Text(1, 27);
        var parameters = model.Model.parameters().ToArray();
        var oracle = new SegmentOracle(model.Model, 2) { NewTokens = 4, Sensory = 2, Slots = 3, Summary = 2, Stretch = 3 };
        var expected = autograd.grad([oracle.Read(text[0]).square().sum()], [.. parameters]);
        var actual = autograd.grad([model.Model.call(text).square().sum()], [.. parameters]);
        for (int i = 0; i < parameters.Length; i++)
            Numbers.Near(expected[i], actual[i], 1e-11, $"parameter {i}");

        var uncut = new SegmentOracle(model.Model, 2) { NewTokens = 4, Sensory = 2, Slots = 3, Summary = 2 };
        Assert.True(Numbers.Error(autograd.grad([uncut.Read(text[0]).square().sum()], [parameters[0]])[0], actual[0]) > 1e-6);
    }

    [Fact]
    public void GradientsOfATinyModelAreThoseOfCentralDifferences()
    {
        using var model = new SegmentCase<TinyRecallingModel>(new TinyRecallingModel(dtype: ScalarType.Float64));
        Tensor text = model.Text(1, 9);
        foreach (string name in new[] { "recall_query.weight", "recall_key.weight", "summary_prompt", "initial_memory" })
        {
            Tensor weight = model.Weight(name), gradient = autograd.grad([Loss()], [weight])[0].reshape(-1);
            Assert.True(gradient.abs().max().item<double>() > 1e-6, name);
            using var quiet = no_grad();
            Tensor flat = weight.view(-1);
            for (long i = 0; i < flat.shape[0]; i++)
            {
                double start = flat[i].item<double>(), step = 1e-5;
                double At(double value)
                {
                    flat[i].fill_(value);
                    return Loss().item<double>();
                }

                double expected = (At(start + step) - At(start - step)) / (2 * step);
                flat[i].fill_(start);
                Assert.Equal(expected, gradient[i].item<double>(), 1e-6 * Math.Max(1, Math.Abs(expected)));
            }
        }

        Tensor Loss() => model.Model.call(text).square().sum();
    }

    // Adds a number of its own to each memory as it is written, and asks which of them the loss of a segment depends on.
    private static void CheckReach<TModel>(TModel declared, string memories, int depth)
        where TModel : nn.Module<Tensor, Tensor>, IMemoryModel
    {
        using var model = new SegmentCase<TModel>(declared);
        using var state = model.Model.NewState(1);
        StateTensor tensor = state.Of(memories);
        var added = new List<Tensor>();
        for (int n = 0; n < 8; n++)
        {
            Tensor loss = model.Model.Prefill(model.Text(1, 4), state).square().sum();
            if (n > 0)
            {
                var gradients = autograd.grad([loss], [.. added], retain_graph: true, allow_unused: true);
                for (int b = 1; b <= n; b++)
                {
                    Tensor? gradient = gradients[n - b];
                    double size = gradient is null || gradient.IsInvalid ? 0 : gradient.abs().max().item<double>();
                    Assert.True(b <= n % (depth + 1) ? size > 0 : size == 0, $"segment {n}, {b} back: {size:g3}");
                }
            }

            Tensor own = zeros([1, 1, 8], dtype: ScalarType.Float64, requires_grad: true);
            added.Add(own);
            long slots = tensor.Value.shape[1];
            tensor.Replace(value => cat([value.narrow(1, 0, slots - 1), value.narrow(1, slots - 1, 1) + own], 1));
        }
    }
}
