using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Which slot makes room for a token that is stored.</summary>
public enum SlotEviction
{
    /// <summary>The one with the lowest score; of equal ones the latest.</summary>
    LowestScore,

    /// <summary>The one that holds the oldest token.</summary>
    Oldest,
}

/// <summary>How tokens are chosen for eidetic memory.</summary>
/// <param name="Slots">M_e, tokens that are stored, at least 1.</param>
/// <param name="Refresh">R, tokens from one choice to the next, at least 1.</param>
/// <param name="Window">
/// Tokens of a sliding window: one that has left it at the start of a chunk may be stored. Null for the blocked window, a
/// chunk and the one before, where it is one from before that.
/// </param>
/// <param name="Decay">gamma, what the scores of stored tokens are multiplied by at every choice, above 0 and at most 1. Not with <see cref="SlotEviction.Oldest"/>.</param>
/// <param name="Floor">tau, the lowest score that is stored; null for none.</param>
/// <param name="Eviction">Which slot makes room.</param>
public sealed record EideticOptions(
    long Slots, long Refresh, long? Window = null, double Decay = 1, double? Floor = null, SlotEviction Eviction = SlotEviction.LowestScore)
{
    /// <summary>Tokens before a call that may still be stored: a state holds their scores, and whoever holds it their keys.</summary>
    public long Waiting => Distance + Refresh - 1;

    /// <summary>How far before the start of a chunk the last token stands that may be stored.</summary>
    internal long Distance => Math.Max(1, Window ?? (Refresh + 1));
}

/// <summary>What is stored, and what may be.</summary>
/// <param name="Scores"><c>[B, M]</c>, float32 or wider.</param>
/// <param name="Positions">Of the stored tokens in their texts, rising, -1 in empty slots, which come last: int64 <c>[B, M]</c>.</param>
/// <param name="Waiting"><c>[B, W]</c>: the scores of the last tokens before the call, oldest first; 0 before a text began.</param>
public sealed record EideticState(Tensor Scores, Tensor Positions, Tensor Waiting)
{
    /// <summary>Nothing is stored.</summary>
    /// <param name="rows">B.</param>
    /// <param name="options">Tells the sizes.</param>
    /// <param name="dtype">That of the scores.</param>
    /// <param name="device">Null for the CPU.</param>
    public static EideticState Empty(long rows, EideticOptions options, ScalarType dtype = ScalarType.Float32, Device? device = null) => new(
        zeros([rows, options.Slots], dtype: dtype, device: device), full([rows, options.Slots], -1L, dtype: ScalarType.Int64, device: device),
        zeros([rows, options.Waiting], dtype: dtype, device: device));
}

/// <summary>The stored tokens of every chunk that a call is in, the one of its first token first: C chunks, M slots.</summary>
/// <param name="Positions">In their texts, rising, -1 in empty slots, which come last: int64 <c>[B, C, M]</c>.</param>
/// <param name="Places">Where they stand on the axis of the M slots before the call, the tokens that were waiting, and the call's own, one after the other; 0 for empty slots: int64 <c>[B, C, M]</c>.</param>
/// <param name="Present">Which slots are not empty, bool <c>[B, C, M]</c>.</param>
/// <param name="Counts">How many are not, int64 <c>[B, C]</c>.</param>
/// <param name="State">After the call.</param>
public sealed record EideticChoice(Tensor Positions, Tensor Places, Tensor Present, Tensor Counts, EideticState State);

/// <summary>Which tokens are stored for good: at the start of every chunk the best of those that were stored and those that left the window.</summary>
/// <remarks>
/// Zancato et al.: B'MOJO (arXiv 2407.06324), whose measure is how badly a token was predicted by the fading state. The order
/// is total, score falling, then position rising, and a NaN counts as the lowest score, so that a choice depends on nothing
/// but the scores; a text read in pieces chooses as it does in one. Nothing here has a gradient. The scores are read once,
/// and the choice is made on the host: M + R numbers a chunk.
/// </remarks>
public static class EideticSelection
{
    /// <summary>Replaces the scores on this thread: scores and positions to scores. Tests compare two passes with the same choices.</summary>
    [field: ThreadStatic]
    internal static Func<Tensor, Tensor?, Tensor>? Scorer { get; set; }

    /// <summary>Chooses for a whole sequence, or continues one. A choice is made before the first token of a chunk is read.</summary>
    /// <param name="scores"><c>[B, T]</c>, how much each token deserves to be stored; +inf is allowed. 16-bit types are widened to float32.</param>
    /// <param name="options">How to choose.</param>
    /// <param name="state">What was stored before; null for texts that begin here.</param>
    /// <param name="positions">Tokens that each row has read before, int64 <c>[B]</c>; null for none.</param>
    /// <exception cref="ArgumentException">Rank, shape, dtype or device of a tensor do not fit.</exception>
    public static EideticChoice Choose(Tensor scores, EideticOptions options, EideticState? state = null, Tensor? positions = null)
    {
        var door = new FrontDoor("eidetic_selection");
        door.Value(nameof(scores), scores, "BT");
        door.Positive("options.Slots", options.Slots);
        door.Positive("options.Refresh", options.Refresh);
        door.AtLeast("options.Window", options.Window, 0);
        if (!(options.Decay is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(options), options.Decay, $"eidetic_selection: options.Decay is {options.Decay}; expected above 0 and at most 1.");
        if (options.Floor is double.NaN) throw new ArgumentOutOfRangeException(nameof(options), options.Floor, "eidetic_selection: options.Floor is NaN; expected a number.");
        long B = door['B'], T = door['T'], M = options.Slots, W = options.Waiting;
        door.Bind('M', M, "options.Slots");
        door.Bind('W', W, "options.Waiting");
        if (state is not null)
        {
            door.State("state.Scores", state.Scores, "BM");
            door.Integers("state.Positions", state.Positions, "BM");
            door.State("state.Waiting", state.Waiting, "BW");
        }

        if (positions is not null) door.Integers(nameof(positions), positions, "B");
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        Tensor wide = (Scorer is null ? scores : Scorer(scores, positions)).detach().to(door.Accumulation);
        state ??= EideticState.Empty(B, options, door.Accumulation, door.Device);
        double[] given = Read(cat(new[] { state.Waiting, wide }, 1)), stored = Read(state.Scores);
        long[] slots = Host(state.Positions).data<long>().ToArray(), read = positions is null ? new long[B] : Host(positions).data<long>().ToArray();
        long C = T == 0 ? 0 : read.DefaultIfEmpty().Max(tokens => ((tokens % options.Refresh) + T - 1) / options.Refresh) + 1;
        var choice = new Table(B, C, M);
        for (int b = 0; b < B; b++)
        {
            var row = new EideticRow(options, read[b], new ArraySegment<double>(given, (int)(b * (W + T)), (int)(W + T)), wide.dtype == ScalarType.Float32);
            for (long m = 0; m < M; m++)
            {
                long slot = (b * M) + m;
                if (slots[slot] >= 0) row.Keep(new StoredToken(stored[slot], slots[slot], m));
            }

            // The first chunk of a row that goes on within it was chosen for when it began.
            long chunk = read[b] / options.Refresh, last = (read[b] + T - 1) / options.Refresh;
            for (long c = chunk; T > 0 && c <= last; c++)
            {
                if (c > chunk || read[b] % options.Refresh == 0) row.Refresh(c * options.Refresh);
                choice.Write(b, c - chunk, row.Stored);
            }

            choice.WriteLast(b, row.Stored);
        }

        return choice.ToTensors(wide, cat(new[] { state.Waiting, wide }, 1).narrow(1, T, W).contiguous());
    }

    private static double[] Read(Tensor x) => Host(x.to(ScalarType.Float64)).data<double>().ToArray();

    // One axis: of more, one of them empty, TorchSharp makes no array.
    private static Tensor Host(Tensor x) => x.cpu().flatten();

    /// <summary>What is written for every chunk, and at last.</summary>
    private sealed class Table(long B, long C, long M)
    {
        private readonly long[] positions = Empty(B * C * M), places = new long[B * C * M], counts = new long[B * C], last = Empty(B * M);
        private readonly double[] scores = new double[B * M];

        public void Write(long b, long c, List<StoredToken> stored)
        {
            counts[(b * C) + c] = stored.Count;
            for (int m = 0; m < stored.Count; m++) (positions[(((b * C) + c) * M) + m], places[(((b * C) + c) * M) + m]) = (stored[m].Position, stored[m].Place);
        }

        public void WriteLast(long b, List<StoredToken> stored)
        {
            for (int m = 0; m < stored.Count; m++) (scores[(b * M) + m], last[(b * M) + m]) = (stored[m].Score, stored[m].Position);
        }

        public EideticChoice ToTensors(Tensor like, Tensor waiting)
        {
            Tensor chosen = tensor(positions, [B, C, M], device: like.device), present = chosen.ge(0);
            Tensor slots = tensor(scores, [B, M]).to(like.dtype).to(like.device);
            return new(
                chosen.MoveToOuterDisposeScope(), tensor(places, [B, C, M], device: like.device).MoveToOuterDisposeScope(), present.MoveToOuterDisposeScope(),
                tensor(counts, [B, C], device: like.device).MoveToOuterDisposeScope(),
                new(slots.MoveToOuterDisposeScope(), tensor(last, [B, M], device: like.device).MoveToOuterDisposeScope(), waiting.MoveToOuterDisposeScope()));
        }

        private static long[] Empty(long count)
        {
            var numbers = new long[count];
            Array.Fill(numbers, -1);
            return numbers;
        }
    }
}
