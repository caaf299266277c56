using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>Read leaves the state that Prefill leaves, and gives what Prefill gives for the last token.</summary>
public sealed class LastLogitsTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> Models => Subject.Models;

    public void Dispose() => scope.Dispose();

    // 13 tokens fill some segments, 1 is a step, and the rows stand at different places once one of them began anew.
    [Theory, MemberData(nameof(Models)), InlineData(nameof(PaperHierarchicalModel)), InlineData(nameof(HierarchicalMixtureModel))]
    public void TheLogitsAreThoseOfTheLastToken(string name)
    {
        foreach ((ScalarType dtype, double limit) in new[] { (ScalarType.Float64, 1e-10), (ScalarType.Float32, 1e-4) })
        {
            using var subject = new Subject(name, dtype);
            using var quiet = no_grad();
            using MemoryState expected = subject.NewState(2), state = subject.NewState(2);
            foreach (long tokens in new[] { 13, 1, 40, 2 })
            {
                Tensor input = subject.Input(2, tokens), last = subject.Model.Read(input, state);
                Numbers.Near(subject.Prefill(input, expected).select(1, -1), last, limit, $"the last of {tokens} tokens in {dtype}");
                Numbers.Near(expected, state, 0, $"the state after {tokens} tokens");
                if (tokens != 40) continue;
                expected.Reset(1);
                state.Reset(1);
            }
        }
    }

    [Theory]
    [InlineData(nameof(GatedDeltaModel))]
    [InlineData(nameof(BareGatedDeltaModel))]
    [InlineData(nameof(MixtureModel))]
    [InlineData(nameof(HierarchicalModel))]
    public void GradientsAreThoseOfTheLastToken(string name)
    {
        using var subject = new Subject(name);
        using MemoryState expected = subject.NewState(2), state = subject.NewState(2);
        Parameter[] parameters = subject.Trained;
        Tensor input = subject.Input(2, 9), weights = subject.Normal([2, 11]);
        IList<Tensor> Gradients(Tensor last, MemoryState read) =>
            autograd.grad([(last * weights).sum() + (read.AuxiliaryLoss ?? 0.0)], parameters, allow_unused: true);
        IList<Tensor> wanted = Gradients(subject.Prefill(input, expected).select(1, -1), expected), found = Gradients(subject.Model.Read(input, state), state);
        for (int i = 0; i < parameters.Length; i++)
        {
            Assert.Equal(wanted[i] is null, found[i] is null);
            if (wanted[i] is not null) Numbers.Near(wanted[i], found[i], 1e-10, $"parameter {i}");
        }
    }

    [Theory]
    [InlineData(nameof(GatedDeltaModel))]
    [InlineData(nameof(RecurrentModel))]
    public void TheLastOfNoTokensIsRefused(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        using var state = subject.NewState(2);
        subject.Prefill(subject.Input(2, 3), state);
        using var before = state.Clone();
        Assert.StartsWith($"{name}: tokens is [2, 0], and the last of none has no logits; read at least one", Assert.Throws<ArgumentException>("tokens", () => subject.Model.Read(subject.Input(2, 0), state)).Message);
        Assert.StartsWith("skip leaves no token in any of 2 rows", Assert.Throws<ArgumentException>("skip", () => subject.Model.Read(subject.Input(2, 4), state, ones([2, 4], dtype: ScalarType.Bool))).Message);
        Numbers.Near(before, state, 0, "after refusals");
        subject.Model.Read(subject.Input(2, 1), state);
    }

    // The second row is idle, and the first and the last end in padding and in a token.
    [Theory, MemberData(nameof(Models)), InlineData(nameof(PaperHierarchicalModel))]
    public void WhereTokensAreSkippedTheLastIsTheLastThatCounts(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        bool[] skipped = [.. ("..X....XXX" + "XXXXXXXXXX" + ".........." + "XXXXX..X..").Select(token => token == 'X')];
        Tensor before = subject.Input(4, 5), input = subject.Input(4, 10), skip = tensor(skipped).view(4, 10);
        using MemoryState expected = subject.NewState(4), state = subject.NewState(4);
        subject.Prefill(before, expected);
        subject.Prefill(before, state);
        Tensor all = subject.Prefill(input, expected, skip), last = subject.Model.Read(input, state, skip);
        Numbers.Near(stack([all[0, 6], zeros_like(all[0, 0]), all[2, 9], all[3, 9]]), last, 1e-10, "the last logits");
        Numbers.Near(expected, state, 0, "the state");
    }

    [Fact]
    public void ALongPromptNeedsNoMemoryForTheLogitsOfAllItsTokens()
    {
        var (exitCode, output, errors) = ChildProcess.Run(typeof(LastLogitsTests).Assembly, [], "last");
        Assert.True(exitCode == 0, errors);
        double[] peaks = PeakMemory.Read(output);
        // The logits of 4,096 tokens are 819 MB, those of 512 are 102.
        Assert.InRange(peaks[1] - peaks[0], 0, 60);
        Assert.InRange(peaks[2] - peaks[1], 100, 1000);
    }
}
