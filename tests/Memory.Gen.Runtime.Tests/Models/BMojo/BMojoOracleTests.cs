using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

/// <summary>A B'MOJO layer against its definition, in float64: outputs, gradients, and which tokens are kept.</summary>
public sealed class BMojoOracleTests : IDisposable
{
    private const long Rows = 2, Tokens = 27, Width = 8;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => BMojoCase.All;

    public static TheoryData<string> Eidetic => BMojoCase.Eidetic;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ItIsTheTokenByTokenDefinition(string name)
    {
        using var layer = new BMojoCase(name);
        Tensor x = layer.Normal(Rows, Tokens, Width).requires_grad_();
        Tensor expected = stack([.. x.unbind(0).Select(row => new BMojoOracle(layer.Options, layer.Weight).Read(row))], 0);
        Tensor actual = layer.Layer.call(x);
        Numbers.Near(expected, actual, 1e-12, "outputs");

        (string, Tensor)[] inputs = [("x", x), .. layer.Layer.named_parameters().Where(p => !p.name.Contains("predictor")).Select(p => (p.name, (Tensor)p.parameter))];
        Numbers.NearGradients(expected, actual, inputs, layer.Normal(expected.shape), 1e-10);
    }

    /// <summary>After any number of tokens the slots are those of the chunk of the last one, in the order of the text.</summary>
    [Theory, MemberData(nameof(Eidetic))]
    public void TheSlotsHoldTheTokensOfTheDefinition(string name)
    {
        using var layer = new BMojoCase(name);
        using var quiet = no_grad();
        using MemoryState state = layer.Memory.NewState(Rows);
        Tensor x = layer.Normal(Rows, Tokens, Width);
        BMojoOracle[] oracles = [.. x.unbind(0).Select(row => { var oracle = new BMojoOracle(layer.Options, layer.Weight); oracle.Read(row); return oracle; })];
        for (int t = 0; t < Tokens; t++)
        {
            layer.Memory.Step(x.select(1, t), state);
            Tensor places = state.Tensors.Single(tensor => tensor.Name == "mixer.eidetic_places").Value - 1;
            for (int b = 0; b < Rows; b++)
                Assert.Equal(oracles[b].Slots[t / layer.Options.Refresh], places[b].data<long>().ToArray().Where(place => place >= 0));
        }
    }

    /// <summary>Keeping the best of the kept and the new, boundary by boundary, keeps the best of all.</summary>
    [Theory, MemberData(nameof(Eidetic))]
    public void TheSlotsAreTheLargestOfEverythingEligible(string name)
    {
        using var layer = new BMojoCase(name);
        using var quiet = no_grad();
        var oracle = new BMojoOracle(layer.Options, layer.Weight);
        oracle.Read(layer.Normal(61, Width));
        if (layer.Options.Decay == 1)
            Assert.All(oracle.Slots.Index(), chunk => Assert.Equal(oracle.Largest(chunk.Index), chunk.Item));
        Assert.All(oracle.Slots.Index(), chunk => Assert.All(chunk.Item, s => Assert.True(
            layer.Options.Blocked ? s < (chunk.Index - 1) * layer.Options.Refresh : s <= (chunk.Index * layer.Options.Refresh) - layer.Options.Window)));
        Assert.Contains(oracle.Slots, slots => slots.Length == layer.Options.Eidetic);
    }
}
