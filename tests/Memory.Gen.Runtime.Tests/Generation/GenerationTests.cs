using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Generation;

public sealed class GenerationTests
{
    private static readonly GenerationOptions Greedy = new() { Temperature = 0, MaxTokens = 5 };

    [Fact]
    public void TemperatureZeroTakesTheLikeliest()
    {
        // After 2, 4 (two tokens read): 4+2=6, 6+3=2, 2+4=6, 6+5=4, 4+6=3 (mod 7).
        Assert.Equal([6, 2, 6, 4, 3], new CountingModel().Generate([2, 4], Greedy));
    }

    [Fact]
    public void TheSeedDecides()
    {
        var model = new CountingModel(sharpness: 1);
        var options = new GenerationOptions { MaxTokens = 40, Seed = 11 };
        long[] first = [.. model.Generate([1], options)];
        Assert.Equal(first, model.Generate([1], options));
        Assert.NotEqual(first, model.Generate([1], options with { Seed = 12 }));
    }

    [Fact]
    public void DrawsFollowTheTemperature()
    {
        // softmax of (3, 0 x 6) at temperature 2 gives the likeliest e^1.5 / (e^1.5 + 6) = 0.4276.
        long[] tokens = [.. new CountingModel().Generate([0], new GenerationOptions { MaxTokens = 4000, Temperature = 2, Seed = 3 })];
        Assert.InRange(ShareOfLikeliest(tokens), 0.4276 - 0.03, 0.4276 + 0.03);
    }

    [Fact]
    public void TopKAndTopPLeaveOutTheUnlikely()
    {
        var model = new CountingModel();
        Assert.Equal(1, ShareOfLikeliest([.. model.Generate([0], new GenerationOptions { MaxTokens = 200, TopK = 1 })]));
        // The likeliest has probability 0.77.
        Assert.Equal(1, ShareOfLikeliest([.. model.Generate([0], new GenerationOptions { MaxTokens = 200, TopP = 0.7 })]));
        Assert.NotEqual(1, ShareOfLikeliest([.. model.Generate([0], new GenerationOptions { MaxTokens = 200, TopP = 0.8 })]));
    }

    [Fact]
    public void AStopTokenEndsTheTextAndIsNotRead()
    {
        var model = new CountingModel();
        using var state = model.NewState(1);
        Assert.Equal([6, 2, 6], model.Generate([2, 4], Greedy with { StopTokens = [4] }, state));
        Assert.Equal([2, 4, 6, 2, 6], state.Tokens);
    }

    [Fact]
    public void TheStateHasReadEveryTokenThatWasReturnedWhereverTheCallerStops()
    {
        var model = new CountingModel();
        using var state = model.NewState(1);
        foreach (long token in model.Generate([2, 4], Greedy, state))
            if (token == 2)
                break;
        Assert.Equal([2, 4, 6, 2], state.Tokens);
        Assert.Equal(model.Generate([2, 4, 6, 2, 5], Greedy), model.Generate([5], Greedy, state));
    }

    [Fact]
    public void AnEmptyPromptGoesOnWhereTheLastCallEnded()
    {
        var model = new CountingModel();
        long[] whole = [.. model.Generate([2, 4], Greedy with { MaxTokens = 10 })];
        using var state = model.NewState(1);
        Assert.Equal(whole[..5], model.Generate([2, 4], Greedy, state));
        Assert.Equal([], model.Generate([], Greedy with { MaxTokens = 0 }, state));
        Assert.Equal(whole[5..], model.Generate([], Greedy, state));
        Assert.Equal([2, 4, .. whole], state.Tokens);
    }

    [Fact]
    public void WhatIsKeptForTheNextTokenIsGoneOnceAnotherCallHasRead()
    {
        var model = new CountingModel();
        using var scope = NewDisposeScope();
        foreach (Action<CountingModel.State> change in new Action<CountingModel.State>[]
        {
            state => model.Step(tensor(new[] { 1L }), state), state => model.Prefill(tensor(new[,] { { 1L, 2 } }), state), state => state.Reset(), state => state.Reset(0),
        })
        {
            using var state = model.NewState(1);
            _ = model.Generate([2, 4], Greedy, state).ToList();
            change(state);
            Assert.Throws<ArgumentException>(() => model.Generate([], Greedy, state));
        }
    }

    [Fact]
    public void TwoTextsByTurnsOnOneStateAreAnErrorAndOnACloneAreNot()
    {
        var model = new CountingModel();
        using var state = model.NewState(1);
        using var first = model.Generate([2, 4], Greedy, state).GetEnumerator();
        Assert.True(first.MoveNext());
        using (var copy = (CountingModel.State)state.Clone())
            Assert.Equal(model.Generate([2, 4, 6, 5], Greedy), model.Generate([5], Greedy, copy));
        Assert.True(first.MoveNext());
        using var second = model.Generate([5], Greedy, state).GetEnumerator();
        Assert.True(second.MoveNext());

        string message = Assert.Throws<InvalidOperationException>(() => first.MoveNext()).Message;

        Assert.Contains("Another call has read with this state of CountingModel", message);
        Assert.Contains("Give every text a state of its own", message);
        Assert.Equal([2, 4, 6, 2, 5], state.Tokens[..5]);
        // What came in between goes on as if nobody had asked.
        Assert.Equal(model.Generate([2, 4, 6, 2, 5], Greedy).ElementAt(1), second.MoveNext() ? second.Current : -1);
    }

    [Fact]
    public void ATextEndsInAnErrorWhereItsStateIsReadWithOrResetInBetween()
    {
        var model = new CountingModel();
        using var scope = NewDisposeScope();
        foreach (Action<CountingModel.State> change in new Action<CountingModel.State>[]
        {
            state => model.Step(tensor(new[] { 1L }), state), state => model.Generate([], Greedy, state).First(), state => state.Reset(), state => state.Reset(0),
        })
        {
            using var state = model.NewState(1);
            using var text = model.Generate([2, 4], Greedy, state).GetEnumerator();
            Assert.True(text.MoveNext());
            // These change nothing that is generated from.
            state.Detach();
            state.Rows(0).Dispose();
            Assert.Empty(model.Generate([], Greedy with { MaxTokens = 0 }, state));
            Assert.True(text.MoveNext());
            change(state);
            Assert.Throws<InvalidOperationException>(() => text.MoveNext());
        }
    }

    [Fact]
    public void AnEmptyPromptWhoseStateWasReadWithBeforeTheFirstTokenIsTheSameError()
    {
        var model = new CountingModel();
        using var scope = NewDisposeScope();
        using var state = model.NewState(1);
        _ = model.Generate([2, 4], Greedy, state).ToList();
        IEnumerable<long> late = model.Generate([], Greedy, state);
        model.Step(tensor(new[] { 1L }), state);
        Assert.Throws<InvalidOperationException>(() => late.First());
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void ASavedTextGoesOnToTheBit(ScalarType dtype)
    {
        using var folder = new TemporaryFolder();
        using var subject = new Models.Subject(nameof(Models.GatedDeltaModel), dtype);
        IMemoryModel model = subject.Model;
        long[] whole = [.. model.Generate([1, 2, 3], Greedy with { MaxTokens = 10 })];
        using (MemoryState state = model.NewState(1))
        {
            Assert.Equal(whole[..5], model.Generate([1, 2, 3], Greedy, state));
            state.Save(folder.File("talk"));
        }

        using MemoryState loaded = model.LoadState(folder.File("talk"));
        loaded.Save(folder.File("again"));
        Assert.Equal(File.ReadAllBytes(folder.File("talk")), File.ReadAllBytes(folder.File("again")));
        Assert.Equal(whole[5..], model.Generate([], Greedy, loaded));
    }

    [Fact]
    public void ALongPromptIsReadInPieces()
    {
        var model = new CountingModel();
        long[] prompt = [.. Enumerable.Range(0, 1500).Select(i => (long)(i % 7))];
        using var state = model.NewState(1);
        Assert.Equal([(prompt[^1] + 1500) % 7], model.Generate(prompt, Greedy with { MaxTokens = 1 }, state));
        Assert.Equal(prompt, state.Tokens[..^1]);
    }

    // Pieces of 512 tokens would cut segments of 6, and the summary of one that was cut is of what came in its first piece.
    [Fact]
    public void ALongPromptIsReadAsByOneCallWhereAModelLooksAhead()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var subject = new Models.Subject(nameof(Models.PaperHierarchicalModel));
        using MemoryState state = subject.NewState(1), whole = subject.NewState(1);
        long[] prompt = subject.Input(1, 1100).data<long>().ToArray();
        Tensor before = subject.Input(1, 4);
        subject.Prefill(before, state);
        subject.Prefill(before, whole);
        Assert.Empty(subject.Model.Generate(prompt, Greedy with { MaxTokens = 0 }, state));
        Models.Numbers.Near(subject.Model.Read(tensor(prompt).view(1, -1), whole)[0], tensor(state.NextLogits!), 1e-10, "the logits after the prompt");
    }

    [Fact]
    public void CancellationComesBetweenTokens()
    {
        var model = new CountingModel();
        using var state = model.NewState(1);
        using var source = new CancellationTokenSource();
        var made = new List<long>();
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (long token in model.Generate([2, 4], Greedy, state, source.Token))
            {
                made.Add(token);
                if (made.Count == 2)
                    source.Cancel();
            }
        });
        Assert.Equal([6, 2], made);
        Assert.Equal([2, 4, 6, 2], state.Tokens);
    }

    [Fact]
    public void WhatCannotBeIsRefusedAtOnce()
    {
        var model = new CountingModel();
        using var two = model.NewState(2);
        Assert.Contains("prompt is empty", Assert.Throws<ArgumentException>(() => model.Generate([], Greedy)).Message);
        using var fresh = model.NewState(1);
        Assert.Contains("prompt is empty", Assert.Throws<ArgumentException>(() => model.Generate([], Greedy, fresh)).Message);
        Assert.Contains("2 rows", Assert.Throws<ArgumentException>(() => model.Generate([1], Greedy, two)).Message);
        Assert.Contains("TopP is 1.5", Assert.Throws<ArgumentOutOfRangeException>(() => model.Generate([1], Greedy with { TopP = 1.5 })).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Generate([1], Greedy with { Temperature = double.NaN }));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Generate([1], Greedy with { TopK = -1 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Generate([1], Greedy with { MaxTokens = -1 }));
        Assert.Contains("not finite", Assert.Throws<ArithmeticException>(() => new CountingModel(double.NaN).Generate([1], Greedy).ToList()).Message);
    }

    // Token i is likeliest when it is (token before + tokens read before) mod 7.
    private static double ShareOfLikeliest(long[] tokens)
    {
        int likeliest = 0;
        for (int i = 0; i < tokens.Length; i++)
            if (tokens[i] == ((i == 0 ? 0 : tokens[i - 1]) + i + 1) % CountingModel.Symbols)
                likeliest++;
        return (double)likeliest / tokens.Length;
    }
}
