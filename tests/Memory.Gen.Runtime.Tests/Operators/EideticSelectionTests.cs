using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The tokens that are stored, against a choice from all that may be.</summary>
public sealed class EideticSelectionTests
{
    public static TheoryData<long, long, long?> Sizes() => new()
    {
        { 3, 4, null }, { 1, 5, null }, { 8, 3, 3 }, { 4, 4, 9 }, { 2, 1, 2 }, { 5, 6, 1 }, { 64, 7, null }, { 3, 2, 0 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_choice_is_that_of_the_best_of_all_eligible_tokens(long slots, long refresh, long? window)
    {
        using var scope = NewDisposeScope();
        const int T = 41;
        Tensor scores = new Randoms(51).Normal(3, T);
        var options = new EideticOptions(slots, refresh, window);
        EideticChoice choice = EideticSelection.Choose(scores, options);
        for (int b = 0; b < 3; b++)
        {
            double[] row = scores[b].contiguous().data<double>().ToArray();
            for (long c = 0; c * refresh < T; c++)
            {
                long end = window is { } w ? Math.Min((c * refresh) - w, (c * refresh) - 1) : ((c - 1) * refresh) - 1;
                long[] expected = [.. Enumerable.Range(0, T).Where(s => s <= end).OrderByDescending(s => row[s]).ThenBy(s => s).Take((int)slots).Order().Select(s => (long)s)];
                Assert.Equal(expected, Chosen(choice, b, c));
                Assert.Equal(expected.Length, choice.Counts[b, c].item<long>());
            }
        }

        // The slots come first, then the tokens that waited, then the call's.
        Tensor places = choice.Places.masked_select(choice.Present), positions = choice.Positions.masked_select(choice.Present);
        Assert.True((places - positions).eq(slots + options.Waiting).all().item<bool>());
        Assert.Equal(0, choice.Places.masked_select(~choice.Present).sum().item<long>());
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void No_token_is_in_the_window_and_in_a_slot(long slots, long refresh, long? window)
    {
        using var scope = NewDisposeScope();
        EideticChoice choice = EideticSelection.Choose(new Randoms(52).Normal(1, 50), new EideticOptions(slots, refresh, window));
        for (long t = 0; t < 50; t++)
        {
            long c = t / refresh, first = window is { } w ? t - w + 1 : (c - 1) * refresh;
            Assert.All(Chosen(choice, 0, c), position => Assert.True(position < first && position >= 0));
        }
    }

    public static TheoryData<EideticOptions> Rules() =>
    [
        new(3, 4), new(3, 4, 5), new(2, 1, 3), new(4, 3, 2, 0.7), new(4, 3, null, 0.9, 0.2), new(3, 4, 4, 1, 0.5), new(3, 4, null, 1, 0.1, SlotEviction.Oldest), new(4, 5, 2, Eviction: SlotEviction.Oldest),
    ];

    /// <summary>The rules as they are told: at every boundary the old slots decay, the floor is asked, and the order decides.</summary>
    [Theory]
    [MemberData(nameof(Rules))]
    public void Decay_floor_and_eviction_are_as_told(EideticOptions options)
    {
        using var scope = NewDisposeScope();
        Tensor scores = new Randoms(53).Normal(1, 45);
        double[] row = scores[0].contiguous().data<double>().ToArray();
        EideticChoice choice = EideticSelection.Choose(scores, options);
        var slots = new List<(double Score, long Position)>();
        var judged = 0L;
        for (long c = 0; c * options.Refresh < 45; c++)
        {
            long end = options.Window is { } w ? Math.Min((c * options.Refresh) - w, (c * options.Refresh) - 1) : ((c - 1) * options.Refresh) - 1;
            bool oldest = options.Eviction == SlotEviction.Oldest;
            if (!oldest) slots = [.. slots.Select(slot => (slot.Score * options.Decay, slot.Position)).Where(slot => !(slot.Item1 < options.Floor))];
            for (; judged <= end; judged++)
            {
                if (!(row[judged] < options.Floor)) slots.Add((row[judged], judged));
            }

            slots = [.. (oldest ? slots.OrderByDescending(slot => slot.Position) : slots.OrderByDescending(slot => slot.Score).ThenBy(slot => slot.Position)).Take((int)options.Slots)];
            Assert.Equal(slots.Select(slot => slot.Position).Order(), Chosen(choice, 0, c));
        }

        Assert.Equal(slots.OrderBy(slot => slot.Position).Select(slot => slot.Score), Row(choice.State.Scores[0])[..slots.Count]);
    }

    /// <summary>Rows of different age, in pieces of any length: the same slots, the same scores, the same places among slots, waiting tokens and tokens.</summary>
    [Theory]
    [MemberData(nameof(Rules))]
    public void Any_split_chooses_as_the_whole(EideticOptions options)
    {
        const long T = 60, Ahead = 5;
        foreach (ScalarType dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            using var scope = NewDisposeScope();
            Tensor scores = new Randoms(54).Normal(2, T).to(dtype);
            EideticChoice whole = EideticSelection.Choose(scores, options);
            EideticState first = EideticSelection.Choose(scores.narrow(0, 0, 1).narrow(1, 0, Ahead), options).State, none = EideticState.Empty(1, options, dtype);
            var state = new EideticState(Both(first.Scores, none.Scores), Both(first.Positions, none.Positions), Both(first.Waiting, none.Waiting));
            for (long start = 0, length; start + Ahead < T; start += length)
            {
                length = Math.Min(start % 8, T - Ahead - start);
                if (length == 0) length = start == 0 ? 1 : Math.Min(2, T - Ahead - start);
                long[] at = [start + Ahead, start];
                Tensor piece = Both(scores.narrow(0, 0, 1).narrow(1, at[0], length), scores.narrow(0, 1, 1).narrow(1, at[1], length));
                Tensor before = cat(new[] { state.Positions, Positions(at, options.Waiting, length) }, 1);
                EideticChoice part = EideticSelection.Choose(piece, options, state, tensor(at));
                for (int b = 0; b < 2; b++)
                {
                    for (long t = at[b]; t < at[b] + length; t++)
                    {
                        long c = (t / options.Refresh) - (at[b] / options.Refresh);
                        Assert.Equal(Chosen(whole, b, t / options.Refresh), Chosen(part, b, c));
                        Assert.Equal(Chosen(part, b, c), Row(before[b].index_select(0, part.Places[b, c].masked_select(part.Present[b, c])).to(ScalarType.Float64)).Select(p => (long)p));
                    }
                }

                state = part.State;
                EideticChoice empty = EideticSelection.Choose(piece.narrow(1, 0, 0), options, state, tensor(at) + length);
                Assert.Equal([2, 0, options.Slots], empty.Positions.shape);
                Assert.Equal(0, Numbers.Error(empty.State.Scores, state.Scores) + Numbers.Error(empty.State.Waiting, state.Waiting) + Numbers.Error(empty.State.Positions, state.Positions));
            }

            Assert.Equal(Row(whole.State.Scores[0]), Row(state.Scores[0]));
            Assert.Equal(Row(whole.State.Waiting[0]), Row(state.Waiting[0]));
        }

        static Tensor Both(Tensor a, Tensor b) => cat(new[] { a, b }, 0);

        static Tensor Positions(long[] at, long waiting, long length) => tensor(at).unsqueeze(1) + arange(-waiting, length, dtype: ScalarType.Int64);
    }

    [Fact]
    public void Of_equal_scores_the_first_are_stored_and_a_number_that_is_none_is_the_lowest()
    {
        using var scope = NewDisposeScope();
        var options = new EideticOptions(2, 2, 1);
        double nan = double.NaN, most = double.PositiveInfinity, least = double.NegativeInfinity;
        long[] Last(params double[] scores) => Chosen(EideticSelection.Choose(tensor(scores, dtype: ScalarType.Float64).unsqueeze(0), options), 0, (scores.Length - 1) / 2);
        Assert.Equal([0, 1], Last(1, 1, 1, 1, 1, 1, 1));
        Assert.Equal([1, 3], Last(0, 1, 0, 1, 0, 1, 0));
        Assert.Equal([0, 3], Last(most, 5, nan, 6, 0, 1, 0));
        Assert.Equal([0, 1], Last(nan, least, 0));
        Assert.Equal([0, 2], Last(nan, least, 0, nan, nan));
    }

    /// <summary>With room for all nothing is lost: blocked window and slots together are causal attention.</summary>
    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void With_room_for_everything_attention_is_full(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        const long B = 2, T = 37, H = 2, K = 4, R = 5;
        var r = new Randoms(55);
        Tensor q = r.Normal(B, T, H, K), k = r.Normal(B, T, H, K), v = r.Normal(B, T, H, K);
        EideticChoice choice = EideticSelection.Choose(r.Normal(B, T), new EideticOptions(T, R));
        Tensor Gather(Tensor x) => stack([.. Enumerable.Range(0, (int)B).Select(b => x[b].index_select(0, choice.Positions[b].clamp_min(0).view(-1)))], 0)
            .view([B, choice.Positions.shape[1], T, H, K]);
        Tensor read = SegmentAttention.Apply(q, k, v, form: form, chunks: new(R, Blocked: true), slots: new(Gather(k), Gather(v), choice.Present));
        Numbers.Close(SegmentAttention.Apply(q, k, v, form: OperatorForm.Reference), read, 1e-12, "blocked");
    }

    [Fact]
    public void Scores_can_be_held()
    {
        using var scope = NewDisposeScope();
        Tensor scores = new Randoms(56).Normal(1, 30), held = scores.flip(1);
        var options = new EideticOptions(3, 4);
        EideticSelection.Scorer = (_, positions) => held;
        try
        {
            Assert.Equal(Chosen(EideticSelection.Choose(scores, options), 0, 7), Chosen(EideticSelection.Choose(scores, options), 0, 7));
        }
        finally
        {
            EideticSelection.Scorer = null;
        }

        Assert.NotEqual(Chosen(EideticSelection.Choose(held, options), 0, 7), Chosen(EideticSelection.Choose(scores, options), 0, 7));
    }

    [Fact]
    public void A_choice_leaves_nothing_but_itself()
    {
        using var scope = NewDisposeScope();
        Tensor scores = new Randoms(57).Normal(2, 30).requires_grad_();
        EideticChoice Choose() => EideticSelection.Choose(scores, new EideticOptions(3, 4));
        Assert.False(Choose().State.Scores.requires_grad);
        int held = scope.DisposablesCount;
        Choose();
        Assert.Equal(7, scope.DisposablesCount - held);
    }

    [Fact]
    public void Wrong_options_are_refused()
    {
        using var scope = NewDisposeScope();
        Tensor scores = zeros(2, 9);
        void Refused<T>(string sentence, Func<object> call) where T : ArgumentException =>
            Assert.StartsWith($"eidetic_selection: {sentence}", Assert.Throws<T>(call).Message, StringComparison.Ordinal);

        Refused<ArgumentOutOfRangeException>("options.Slots is 0; expected at least 1", () => EideticSelection.Choose(scores, new(0, 4)));
        Refused<ArgumentOutOfRangeException>("options.Refresh is 0; expected at least 1", () => EideticSelection.Choose(scores, new(3, 0)));
        Refused<ArgumentOutOfRangeException>("options.Window is -1; expected at least 0", () => EideticSelection.Choose(scores, new(3, 4, -1)));
        Refused<ArgumentOutOfRangeException>("options.Decay is 1.5; expected above 0 and at most 1", () => EideticSelection.Choose(scores, new(3, 4, Decay: 1.5)));
        Refused<ArgumentOutOfRangeException>("options.Floor is NaN", () => EideticSelection.Choose(scores, new(3, 4, Floor: double.NaN)));
        Refused<ArgumentException>("state.Waiting has shape [2, 6]; expected [B, W] = [2, 8], as given by scores, options.Waiting", () =>
            EideticSelection.Choose(scores, new(3, 4), EideticState.Empty(2, new(3, 4)) with { Waiting = zeros(2, 6) }));
        Refused<ArgumentException>("positions is Float32; expected Int64", () => EideticSelection.Choose(scores, new(3, 4), null, zeros(2)));
    }

    private static long[] Chosen(EideticChoice choice, long b, long c) => choice.Positions[b, c].masked_select(choice.Present[b, c]).contiguous().data<long>().ToArray();

    private static double[] Row(Tensor x) => x.to(ScalarType.Float64).contiguous().data<double>().ToArray();
}
