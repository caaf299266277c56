using System.Runtime.InteropServices;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class ElementTypeTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> Held => Subject.Held;

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.ComplexFloat32)]
    [InlineData(ScalarType.QInt8)]
    public void ATypeThatWeightsCannotHaveIsRefusedBeforeThereAreAny(ScalarType dtype)
    {
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Assert.StartsWith(
            $"WindowModel was asked for in {dtype}; its weights can be Float32, Float64, BFloat16 or Float16.",
            Assert.Throws<ArgumentException>("dtype", () => new WindowModel(dtype: dtype)).Message);
        Assert.StartsWith($"SelectiveLayer was asked for in {dtype}; ", Assert.Throws<ArgumentException>("dtype", () => new SelectiveLayer(META, dtype)).Message);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void AModelOfEveryFloatingTypeIsMade(ScalarType dtype)
    {
        using var model = new WindowModel(dtype: dtype);
        Assert.All(model.parameters(), parameter => Assert.Equal(dtype, parameter.dtype));
        using var layer = new SelectiveLayer(dtype: dtype);
        Assert.Equal(dtype, layer.get_parameter("mixer.output.weight")!.dtype);
    }

    /// <summary>A newer libtorch computes in it; with one that does not, it is still made there, to be moved.</summary>
    [Fact]
    public void Float16OnTheCpuWorksOrIsRefusedWithWhatToDo()
    {
        bool works = true;
        try
        {
            nn.functional.linear(ones([2, 2], dtype: ScalarType.Float16), ones([2, 2], dtype: ScalarType.Float16)).silu();
        }
        catch (ExternalException)
        {
            works = false;
        }

        using var model = new Subject(nameof(GatedDeltaModel), ScalarType.Float16);
        using var layer = new Subject(nameof(WindowLayer), ScalarType.Float16);
        foreach (Subject subject in new[] { model, layer })
        {
            using MemoryState state = subject.NewState(2);
            Tensor input = subject.Input(2, 3);
            Check($"{subject.Module.GetType().Name}: its weights are", () => subject.Forward(input));
            Check($"{subject.Module.GetType().Name}: its weights are", () => subject.Prefill(input, state));
            Check($"{subject.Module.GetType().Name}: its weights are", () => subject.Step(input.select(1, 0), state));
            Assert.Equal(works ? 4 : 0, state.Positions[0].item<long>());
            subject.Module.to(ScalarType.BFloat16);
            subject.Forward(subject.IsModel ? input : input.to(ScalarType.BFloat16));
        }

        Tensor x = ones([2, 4], dtype: ScalarType.Float16), weight = ones([4], dtype: ScalarType.Float16);
        Check("linear: x is", () => Projection.Apply(x, x));
        Check("swiglu: gate is", () => SwiGlu.Apply(x, x));
        Check("rms_norm: gate is", () => RootMeanSquareNorm.Gated(x, weight, x));
        Check("cross_entropy: logits is", () => CrossEntropy.Apply(x, zeros([2], dtype: ScalarType.Int64)));
        // Sums are in float32, so these never needed it.
        Assert.Equal(ScalarType.Float16, RootMeanSquareNorm.Apply(x, weight).dtype);
        Assert.Equal(ScalarType.Float16, LinearAttention.Apply(x.view(1, 2, 1, 4), x.view(1, 2, 1, 4), x.view(1, 2, 1, 4)).Output.dtype);

        void Check(string found, Action call)
        {
            if (works) call();
            else Assert.Matches(
                $"^{found} Float16 on the CPU, where this libtorch does not compute in it \\(.+\\); expected Float32, Float64 or BFloat16. Convert with to\\(ScalarType.Float32\\), for example, or move to CUDA",
                Assert.Throws<NotSupportedException>(call).Message);
        }
    }

    /// <summary>
    /// What the kernels compute, through all layers and back, against tensor operations in float64. Few draws of weights and text make
    /// a model enlarge float32's rounding up to the limits, whoever computes; a kernel that is wrong is so at every draw.
    /// </summary>
    [Theory, MemberData(nameof(Held))]
    public void AFloat32ModelAndItsGradientsAreThoseOfFloat64(string name)
    {
        var draws = Enumerable.Range(1, 3).Select(seed => Shares(name, seed)).ToArray();
        foreach (string what in draws[0].Keys)
        {
            double share = draws.Select(shares => shares[what]).Order().ElementAt(1);
            Assert.True(share <= 1, $"{what}: {share:g3} of its limit at the middle one of three draws");
        }
    }

    // The error of the outputs and of every gradient, each as a share of what it may be.
    private static Dictionary<string, double> Shares(string name, long seed)
    {
        using var scope = NewDisposeScope();
        using var narrow = new Subject(name, ScalarType.Float32, seed: seed);
        using var wide = new Subject(name, seed: seed);
        using (no_grad())
            foreach (var (a, b) in narrow.Module.parameters().Zip(wide.Module.parameters()))
                b.copy_(a);
        Tensor input = narrow.Input(2, 37);
        using var choices = new HeldChoices();
        var (expected, gradients) = Run(wide, wide.IsModel ? input : input.to(ScalarType.Float64));
        choices.Hold();
        var (actual, found) = Run(narrow, input);
        var shares = new Dictionary<string, double> { ["outputs"] = Numbers.Error(actual, expected) / 1e-4 };
        foreach (var ((key, _), (e, a)) in wide.Module.named_parameters().Where(p => wide.Trained.Contains(p.parameter)).Zip(gradients.Zip(found)))
            shares[$"gradient of {key}"] = (a - e).norm().item<double>() / (1e-3 * e.norm().item<double>() + 1e-6);
        return shares;

        static (Tensor, IList<Tensor>) Run(Subject subject, Tensor input)
        {
            Tensor output = subject.Forward(input);
            return (output, autograd.grad([output.square().mean()], subject.Trained));
        }
    }

    [Theory, MemberData(nameof(Held))]
    public void ABfloat16ModelStreamsAndKeepsItsMemoriesInFloat32(string name)
    {
        using var wide = new Subject(name, ScalarType.Float32);
        using var narrow = new Subject(name, ScalarType.BFloat16);
        using var quiet = no_grad();
        // The same weights, as bfloat16 can hold them.
        foreach (var (a, b) in wide.Module.parameters().Zip(narrow.Module.parameters()))
        {
            b.copy_(a * 0.5);
            a.copy_(b);
        }
        Tensor input = wide.Input(2, 11), rounded = wide.IsModel ? input : input.to(ScalarType.BFloat16);
        using var choices = new HeldChoices();
        Tensor expected = wide.Forward(wide.IsModel ? input : rounded.to(ScalarType.Float32));
        choices.Hold();
        using var state = narrow.NewState(2);

        Tensor actual = narrow.Read(rounded, state, [6, 1, 4], () => true);

        Assert.Equal(ScalarType.BFloat16, actual.dtype);
        Numbers.Near(expected, actual, 0.15, "against float32");
        Assert.Equal(2 * narrow.Card.StateBytes(11, ScalarType.BFloat16), state.Bytes);
    }
}
