using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2, FadingStride = 3)]
public sealed partial class SilentScan;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2, Fading = FadingState.ScalarDecay)]
public sealed partial class SilentStateSpace;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2, Fading = FadingState.GatedDelta)]
public sealed partial class SilentDelta;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 3, FadingTokens = 2)]
public sealed partial class SilentSlots;

/// <summary>A long silence in a text: the fading state falls below what float32 holds (kernels take denormal numbers for zeros), and what comes after is read as ever.</summary>
public sealed class SilenceTests : IDisposable
{
    private const long Rows = 2, Spoken = 60, Silent = 400, Width = 8;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(31, CPU);

    public static TheoryData<string> Layers => [nameof(SilentScan), nameof(SilentStateSpace), nameof(SilentDelta)];

    public void Dispose()
    {
        random.Dispose();
        scope.Dispose();
    }

    [Theory, MemberData(nameof(Layers))]
    public void AFadingStateThatDiesAwayIsThatOfFloat64(string name)
    {
        (IMemoryLayer single, IMemoryLayer wide) = New(name);
        using var first = (nn.Module<Tensor, Tensor>)single;
        using var second = (nn.Module<Tensor, Tensor>)wide;
        Tensor x = Text().requires_grad_(), exact = x.detach().to(ScalarType.Float64).requires_grad_();
        Tensor upstream = randn([Rows, x.shape[1], Width], generator: random);
        using MemoryState state = single.NewState(Rows), expected = wide.NewState(Rows), pieces = single.NewState(Rows);

        Tensor y = single.Prefill(x, state), wanted = wide.Prefill(exact, expected);
        Numbers.Near(wanted, y, 1e-5, "outputs");
        Numbers.Near(expected, state, 1e-5, "state");
        Numbers.Near(
            autograd.grad([wanted], [exact], [upstream.to(ScalarType.Float64)])[0], autograd.grad([y], [x], [upstream])[0], 1e-4, "gradient");

        using var quiet = no_grad();
        Numbers.Near(wanted, stack([.. x.detach().unbind(1).Select(token => single.Step(token, pieces))], 1), 1e-5, "steps");
        using MemoryState silent = wide.NewState(Rows);
        wide.Prefill(exact.detach().narrow(1, 0, Spoken + Silent), silent);
        Assert.Contains(silent.Tensors, each => each.Value.is_floating_point() && HoldsDenormals(each.Value));
    }

    [Fact]
    public void SlotsAreFilledBesideAStateThatDiesAway()
    {
        (IMemoryLayer layer, IMemoryLayer wide) = New(nameof(SilentSlots));
        using var owned = (nn.Module<Tensor, Tensor>)layer;
        using var unused = (nn.Module<Tensor, Tensor>)wide;
        foreach (double size in new[] { 1, 1e-20, 1e-42 })
        {
            Tensor x = (Text() * size).detach().requires_grad_();
            using MemoryState state = layer.NewState(Rows);
            Tensor y = layer.Prefill(x, state);
            Assert.True(y.isfinite().all().item<bool>(), $"outputs at {size}");
            Assert.True(autograd.grad([y.sum() + state.AuxiliaryLoss!], [x])[0].isfinite().all().item<bool>(), $"gradients at {size}");
            // A text's first token has an infinite score; no other number is one, and none is no number.
            Assert.All(state.Tensors.Where(each => each.Value.is_floating_point()), each => Assert.False(each.Value.isnan().any().item<bool>(), each.Name));
        }
    }

    /// <summary>Words, a silence, and words again.</summary>
    private Tensor Text()
    {
        Tensor x = randn([Rows, Spoken + Silent + Spoken, Width], generator: random);
        x.narrow(1, Spoken, Silent).zero_();
        return x;
    }

    /// <summary>A layer in float32 and the same numbers in float64, whose recurrences hear nothing in a silence.</summary>
    private (IMemoryLayer Single, IMemoryLayer Wide) New(string name)
    {
        using var quiet = no_grad();
        (nn.Module<Tensor, Tensor> single, nn.Module<Tensor, Tensor> wide) = (Create(name, ScalarType.Float32), Create(name, ScalarType.Float64));
        foreach (var (key, parameter) in single.named_parameters())
        {
            parameter.copy_(randn(parameter.shape, generator: random) * 0.5 + (key.EndsWith("norm.weight", StringComparison.Ordinal) ? 1.0 : 0.0));
            if (key.EndsWith("convolution.bias", StringComparison.Ordinal) || key.EndsWith("conv.bias", StringComparison.Ordinal))
                parameter.zero_();
            wide.get_parameter(key)!.copy_(parameter);
        }

        return ((IMemoryLayer)single, (IMemoryLayer)wide);
    }

    private static nn.Module<Tensor, Tensor> Create(string name, ScalarType dtype) => name switch
    {
        nameof(SilentScan) => new SilentScan(dtype: dtype),
        nameof(SilentStateSpace) => new SilentStateSpace(dtype: dtype),
        nameof(SilentDelta) => new SilentDelta(dtype: dtype),
        _ => new SilentSlots(dtype: dtype),
    };

    // Numbers of float64 that would be denormal in float32, or zero.
    private static bool HoldsDenormals(Tensor value)
    {
        using var inner = NewDisposeScope();
        Tensor size = value.abs();
        return (size.gt(0) & size.lt(1.1754943508222875e-38)).any().item<bool>();
    }
}
