using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class StreamingTests : IDisposable
{
    private const long Tokens = 83;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public static TheoryData<string> Held => Subject.Held;

    public static TheoryData<string> Models => Subject.Models;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void AnySplitGivesTheNumbersOfForward(string name) => CheckSplits(name, ScalarType.Float64, 1e-10, rounds: 4);

    [Theory, MemberData(nameof(Held))]
    public void AnySplitGivesTheNumbersOfForwardInFloat32(string name) =>
        CheckSplits(name, ScalarType.Float32, name.EndsWith("Layer", StringComparison.Ordinal) ? 1e-5 : 1e-4, rounds: 1);

    private static void CheckSplits(string name, ScalarType dtype, double limit, int rounds)
    {
        using var subject = new Subject(name, dtype);
        using var quiet = no_grad();
        var random = new Random(17);
        Tensor input = subject.Input(2, Tokens);
        // Float32 may break a router's tie the other way; in float64 the choices must be the same by themselves.
        using var choices = new HeldChoices(tolerance: 1e-5);
        Tensor parallel = subject.Forward(input);
        if (dtype == ScalarType.Float32)
            choices.Hold();
        else
            choices.Dispose();
        using var whole = subject.NewState(2);
        Numbers.Near(parallel, subject.Prefill(input, whole), limit, "prefill of everything");

        IEnumerable<IReadOnlyList<long>> splits =
        [
            [.. Enumerable.Repeat(1L, (int)Tokens)],
            [0, 1, 0, Tokens - 2, 1, 0],
            .. Enumerable.Range(0, rounds).Select(_ => Numbers.Split(Tokens, random)),
        ];
        foreach (var pieces in splits)
        {
            string what = $"split {string.Join(' ', pieces)}";
            using var state = subject.NewState(2);
            Numbers.Near(parallel, subject.Read(input, state, pieces, () => random.Next(4) > 0), limit, what);
            Numbers.Near(whole, state, limit, what);
        }
    }

    [Theory, MemberData(nameof(All))]
    public void NoTokensChangeNothing(string name)
    {
        using var subject = new Subject(name);
        using var state = subject.NewState(2);
        using var quiet = no_grad();
        subject.Prefill(subject.Input(2, 9), state);
        using var before = state.Clone();
        Tensor output = subject.Prefill(subject.Input(2, 0), state);
        Assert.Equal([2, 0], output.shape[..2]);
        Numbers.Near(before, state, 0, "after no tokens");
    }

    // Three tokens are fewer than the rows that a memory may put before them; 13 fill some segments.
    [Theory, MemberData(nameof(All))]
    public void RowsBeginAndEndOnTheirOwn(string name)
    {
        CheckRowsOnTheirOwn(name, 13);
        CheckRowsOnTheirOwn(name, 3);
    }

    private static void CheckRowsOnTheirOwn(string name, long before)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        Tensor first = subject.Input(2, before), second = subject.Input(2, 21);
        using var state = subject.NewState(2);
        subject.Prefill(first, state);
        state.Reset(1);
        Tensor mixed = cat([subject.Prefill(second.narrow(1, 0, 20), state), subject.Step(second.select(1, 20), state).unsqueeze(1)], 1);

        Tensor going = subject.Forward(cat([first.narrow(0, 0, 1), second.narrow(0, 0, 1)], 1)).narrow(1, before, 21);
        Tensor fresh = subject.Forward(second.narrow(0, 1, 1));
        Numbers.Near(going, mixed.narrow(0, 0, 1), 1e-10, "the row that went on");
        Numbers.Near(fresh, mixed.narrow(0, 1, 1), 1e-10, "the row that was reset");
        Assert.Equal([before + 21, 21], state.Positions.data<long>().ToArray());
    }

    [Theory, MemberData(nameof(All))]
    public void ResetOfEverythingIsAFreshState(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        using var state = subject.NewState(2);
        using var fresh = subject.NewState(2);
        subject.Prefill(subject.Input(2, 7), state);
        state.Reset();
        Numbers.Near(fresh, state, 0, "after a reset");
        state.Reset(0, 1);
        Numbers.Near(fresh, state, 0, "after a reset by rows");
    }

    [Theory, MemberData(nameof(All))]
    public void ACloneGoesItsOwnWay(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        Tensor first = subject.Input(1, 9), left = subject.Input(1, 5), right = subject.Input(1, 6);
        using var state = subject.NewState(1);
        subject.Prefill(first, state);
        using var clone = state.Clone();
        Tensor one = subject.Prefill(left, state), other = subject.Prefill(right, clone);
        Numbers.Near(subject.Forward(cat([first, left], 1)).narrow(1, 9, 5), one, 1e-10, "the original");
        Numbers.Near(subject.Forward(cat([first, right], 1)).narrow(1, 9, 6), other, 1e-10, "the clone");
    }

    [Theory, MemberData(nameof(All))]
    public void ASavedStateContinuesExactlyInANewObject(string name)
    {
        using var folder = new TemporaryFolder();
        using var subject = new Subject(name);
        using var quiet = no_grad();
        Tensor first = subject.Input(2, 9), second = subject.Input(2, 6);
        using var state = subject.NewState(2);
        subject.Prefill(first, state);
        state.Reset(1);
        state.Save(folder.File("memory"));

        using var twin = new Subject(name);
        using var loaded = twin.LoadState(folder.File("memory"));

        Numbers.Near(state, loaded, 0, "as loaded");
        Numbers.Near(subject.Prefill(second, state), twin.Prefill(second, loaded), 0, "read on");
        Numbers.Near(state, loaded, 0, "after reading on");
    }

    [Fact]
    public void AnotherProcessGoesOnFromTheFilesInMidBlock()
    {
        string[] names =
        [
            nameof(HybridModel), nameof(MixtureModel), nameof(BMojoModel), nameof(TitansModel), nameof(DeepTitansModel), nameof(ClippedTitansModel),
            nameof(TitansGateModel), nameof(SegmentedTitansGateModel), nameof(TitansLayerModel), nameof(TitansContextModel), nameof(OneBlockTitansContextModel),
            nameof(TitansMixtureModel), nameof(DeepestTitansGateModel), nameof(DecayedTitansGateModel), nameof(KeyValueTitansContextModel),
        ];
        using var folder = new TemporaryFolder();
        using var quiet = no_grad();
        // Eleven tokens end within a block, a segment and a chunk of every one of them.
        ReadingChild.Conversation[] conversations = [.. names.Select(name => Begun(new Subject(name)))];
        var continued = ReadingChild.ReadOn(folder.Path, conversations);
        foreach (var ((subject, state, next), (output, after)) in conversations.Zip(continued))
        {
            string name = subject.Module.GetType().Name;
            Numbers.Near(ReadingChild.ReadOn(subject, state, next), output, 0, $"{name}, read on");
            Numbers.Near(state, after, 0, $"{name}, after reading on");
            after.Dispose();
            state.Dispose();
            subject.Dispose();
        }

        static ReadingChild.Conversation Begun(Subject subject)
        {
            MemoryState state = subject.NewState(2);
            subject.Prefill(subject.Input(2, 11), state);
            return new(subject, state, subject.Input(2, 9));
        }
    }

    [Fact]
    public void StatesOfOtherModelsAreRefused()
    {
        using var folder = new TemporaryFolder();
        using var gated = new Subject(nameof(GatedDeltaModel));
        using var window = new Subject(nameof(WindowModel));
        using var state = gated.NewState(1);
        state.Save(folder.File("memory"));

        Assert.Contains("is a state of GatedDeltaModel, not of WindowModel",
            Assert.Throws<Memory.Gen.Runtime.Files.MemoryFileException>(() => window.LoadState(folder.File("memory"))).Message);
        Assert.Contains("WindowModel was given a state of GatedDeltaModel",
            Assert.Throws<ArgumentException>(() => window.Prefill(window.Input(1, 2), state)).Message);
        Assert.Contains("NewState(2)", Assert.Throws<ArgumentException>(() => gated.Prefill(gated.Input(2, 2), state)).Message);
    }

    [Theory, MemberData(nameof(Models))]
    public void ACallThatThrowsLeavesTheStateAsItWas(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        using var state = subject.NewState(1);
        subject.Prefill(subject.Input(1, 7), state);
        using var before = state.Clone();
        Tensor outside = tensor(new[] { 3L, 99 }).view(1, 2);

        Assert.ThrowsAny<Exception>(() => subject.Prefill(outside, state));
        Assert.ThrowsAny<Exception>(() => subject.Step(outside.select(1, 1), state));
        Numbers.Near(before, state, 0, "after a token that does not exist");

        // The final norm comes after every layer has written.
        subject.Module.get_parameter("norm.weight")!.Dispose();
        Assert.ThrowsAny<Exception>(() => subject.Prefill(subject.Input(1, 3), state));
        Numbers.Near(before, state, 0, "after a failure behind the last layer");
    }
}
