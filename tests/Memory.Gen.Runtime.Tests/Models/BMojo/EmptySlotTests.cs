using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 2, EideticTokens = 6, Score = BMojoScore.Norm)]
public sealed partial class FillingSlots;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 2, EideticTokens = 4, Score = BMojoScore.Norm, Threshold = 0.8, ScoreDecay = 0.6)]
public sealed partial class EmptyingSlots;

/// <summary>Slots that hold no token, yet or any more: wherever a text was cut, the state is the same.</summary>
public class EmptySlotTests
{
    private const long Rows = 2, Tokens = 24, Width = 8;

    [Fact]
    public void SlotsThatFill() => CheckEveryLength(new FillingSlots(dtype: ScalarType.Float64));

    [Fact]
    public void SlotsThatEmptyAgain() => CheckEveryLength(new EmptyingSlots(dtype: ScalarType.Float64));

    private static void CheckEveryLength(IMemoryLayer layer)
    {
        using var module = (nn.Module)layer;
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var random = new Generator(3, CPU);
        Tensor x = randn([Rows, Tokens, Width], dtype: ScalarType.Float64, generator: random);
        using MemoryState steps = layer.NewState(Rows);
        var numbersOfEmpty = new HashSet<long>();
        for (long read = 1; read <= Tokens; read++)
        {
            using MemoryState whole = layer.NewState(Rows);
            layer.Prefill(x.narrow(1, 0, read), whole);
            layer.Step(x.select(1, read - 1), steps);
            Numbers.Near(whole, steps, 1e-10, $"after {read} tokens");
            numbersOfEmpty.Add(steps.Tensors.Single(each => each.Name == "mixer.eidetic_places").Value.eq(0).sum().item<long>());
        }

        Assert.True(numbersOfEmpty.Count > 2);
    }
}
