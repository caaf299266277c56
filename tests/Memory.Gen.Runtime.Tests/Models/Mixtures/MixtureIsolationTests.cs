using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Mixtures;

/// <summary>What a token, a row and a memory must not see of the others.</summary>
public sealed class MixtureIsolationTests : IDisposable
{
    private const long Rows = 3, Tokens = 17, Width = 6;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => MixtureCase.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ATokenReachesOnlyWhatComesAfterItInItsRowAndItsMemories(string name)
    {
        using var layer = MixtureCase.New(name);
        layer.Layer.train();
        const int row = 1, token = 7;
        Tensor x = layer.Normal(Rows, Tokens, Width), other = x.clone();
        other[row, token] = layer.Normal(Width);
        using MemoryState state = layer.Memory.NewState(Rows), otherState = layer.Memory.NewState(Rows);
        // The same choices: then every number that must not change is computed in the same way, and has the same bits.
        using var choices = new HeldChoices();
        Tensor y = layer.Memory.Prefill(x, state);
        choices.Hold();
        long[] chosen = choices.Of(router: 0)[row, token].data<long>().ToArray();
        Tensor changed = layer.Memory.Prefill(other, otherState);

        Tensor differs = (y != changed).any(2);
        for (int b = 0; b < Rows; b++)
            for (int t = 0; t < Tokens; t++)
                if (b != row || t < token)
                    Assert.False(differs[b, t].item<bool>(), $"row {b}, token {t}");
        Assert.True(differs[row, token].item<bool>());
        for (int m = 0; m < layer.Memories; m++)
            if (!chosen.Contains(m))
                Assert.True(SameBits(layer, state, otherState, m), $"memory {m} did not get the token");
        Assert.Contains(chosen, m => !SameBits(layer, state, otherState, (int)m));
    }

    [Theory, MemberData(nameof(All))]
    public void ATokenThatChangesItsMemoriesReachesNothingBeforeIt(string name)
    {
        using var layer = MixtureCase.New(name);
        Tensor x = layer.Normal(Rows, Tokens, Width);
        Tensor y = layer.Layer.call(x);
        for (int token = 0; token < Tokens; token++)
        {
            Tensor other = x.clone();
            other[1, token] = layer.Normal(Width) * 3;
            Tensor changed = layer.Layer.call(other);
            Numbers.Near(y.narrow(1, 0, token), changed.narrow(1, 0, token), 1e-13, $"before token {token}");
            Numbers.Near(y[0], changed[0], 1e-13, "row 0");
            Numbers.Near(y[2], changed[2], 1e-13, "row 2");
        }
    }

    [Theory, MemberData(nameof(All))]
    public void ARowThatIsNotANumberStaysAlone(string name)
    {
        using var layer = MixtureCase.New(name);
        Tensor x = layer.Normal(Rows, Tokens, Width), y = layer.Layer.call(x), broken = x.clone();
        broken[1].fill_(double.NaN);
        Tensor found = layer.Layer.call(broken);
        Numbers.Near(y[0], found[0], 1e-13, "row 0");
        Numbers.Near(y[2], found[2], 1e-13, "row 2");
        Assert.True(found[1].isnan().all().item<bool>());
    }

    [Theory, MemberData(nameof(All))]
    public void TheOrderOfTheMemoriesDoesNotMatter(string name)
    {
        using var layer = MixtureCase.New(name);
        using var quiet = no_grad();
        Tensor x = layer.Normal(Rows, Tokens, Width), y = layer.Layer.call(x);
        Tensor order = tensor(Enumerable.Range(1, layer.Memories).Select(m => (long)(m % layer.Memories)).ToArray());
        foreach (var (key, parameter) in layer.Layer.named_parameters())
            if (key == "mixer.router.weight" || parameter.dim() == 3)
                parameter.copy_(parameter.index_select(0, order));
        Numbers.Near(y, layer.Layer.call(x), 1e-13, "outputs");
    }

    [Theory, MemberData(nameof(All))]
    public void AStepWritesOnlyTheMemoriesOfItsToken(string name)
    {
        using var layer = MixtureCase.New(name);
        using var quiet = no_grad();
        using MemoryState state = layer.Memory.NewState(Rows);
        layer.Memory.Prefill(layer.Normal(Rows, Tokens, Width), state);
        layer.Memory.Step(layer.Normal(Rows, Width), state);   // from here on in place
        Tensor[] before = [.. state.Tensors.Select(t => t.Value.clone())];
        Tensor[] objects = [.. state.Tensors.Select(t => t.Value)];
        using var choices = new HeldChoices();
        layer.Memory.Step(layer.Normal(Rows, Width), state);

        Tensor sent = zeros([Rows, layer.Memories], dtype: ScalarType.Bool).scatter(1, choices.Of(router: 0).squeeze(1), ones([Rows, layer.TopK], dtype: ScalarType.Bool));
        for (int i = 0; i < before.Length; i++)
        {
            if (layer.HasShared && state.Tensors[i].Name.StartsWith("mixer.shared.", StringComparison.Ordinal))
            {
                Assert.True((before[i] != state.Tensors[i].Value).flatten(1).any(1).all().item<bool>(), $"{state.Tensors[i].Name} takes every token");
                continue;
            }
            Assert.Same(objects[i], state.Tensors[i].Value);
            Assert.Equal(sent.data<bool>().ToArray(), (before[i] != state.Tensors[i].Value).flatten(2).any(2).data<bool>().ToArray());
        }
    }

    private static bool SameBits(MixtureCase layer, MemoryState a, MemoryState b, int memory) =>
        layer.Kept.All(part => (MixtureOracleTests.Held(layer, a, memory, part) == MixtureOracleTests.Held(layer, b, memory, part)).all().item<bool>());
}
