using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// Which K of M memories every token is sent to and with what weights, and the way there and back. A token has K copies;
/// the copies of a memory stand together, row after row, each row in the order of time.
/// </summary>
/// <remarks>
/// Du, Sun, Lan, Hu, Cheng: MoM (arXiv 2502.13685), section 3. The order is a counting sort by memory and row (histogram,
/// running sums, rank within the segment): index arithmetic on the device. What the host reads of it are the <c>M B + 1</c>
/// offsets of <see cref="Segments"/> and the M counts of a <see cref="Modules.RoutedLinear"/>, which costs nothing on the CPU;
/// on a GPU a kernel that takes segments, and a grouped product, would read them where they are. A call of one token a row
/// knows only the segments that get a token, so that it touches no other state.
/// </remarks>
public sealed class Routing
{
    private readonly long B, T, M, K;
    private readonly Tensor logits;   // [B, T, M]
    private readonly Tensor places;   // [B*T, K], where each copy of a token stands
    private readonly Tensor copies;   // [N], the copy (b*T + t)*K + r that stands there; N = B*T*K
    private readonly Tensor tokens;   // [N], its token b*T + t
    private readonly Tensor lengths;  // [M, B], tokens of row b in memory m
    private long[]? counts;

    private Routing(Tensor logits, Tensor choices)
    {
        (B, T, M, K) = (logits.shape[0], logits.shape[1], logits.shape[2], choices.shape[2]);
        Tensor sent = Integers(B, T, M).scatter_(2, choices, ones_like(choices));
        lengths = sent.sum(1).t().contiguous();
        Tensor ends = lengths.view(M * B).cumsum(0), starts = (ends - lengths.view(M * B)).view(M, B).t();
        places = (sent.cumsum(1) + starts.unsqueeze(1) - 1).gather(2, choices).view(B * T, K);
        Tensor numbers = Numbers(B * T * K);
        copies = empty_like(numbers).scatter_(0, places.view(B * T * K), numbers);
        tokens = copies.div(K, RoundingMode.floor);
        this.logits = logits;
        Choices = choices;
        Weights = logits.gather(2, choices).softmax(2);
        if (T == 1) Slots = (Numbers(B).view(B, 1, 1) * M + choices).view(B * K).index_select(0, copies);
        else Segments = Segments.Packed(cat(new[] { Integers(1), ends }));

        Tensor Integers(params long[] shape) => zeros(shape, dtype: ScalarType.Int64, device: logits.device);

        Tensor Numbers(long count) => arange(count, dtype: ScalarType.Int64, device: logits.device);
    }

    /// <summary><c>[B, T, K]</c> int64: the memories of every token, the one with the largest logit first.</summary>
    public Tensor Choices { get; }

    /// <summary><c>[B, T, K]</c>, float32 or wider: the softmax over a token's chosen logits alone.</summary>
    public Tensor Weights { get; }

    /// <summary>What row b sends to memory m is segment <c>m B + b</c>; null at one token a row, where every copy is its own row.</summary>
    public Segments? Segments { get; }

    /// <summary><c>[N]</c> int64: the row <c>b M + m</c> of a state <c>[B, M, ...]</c> that each copy uses; null but at one token a row.</summary>
    internal Tensor? Slots { get; }

    /// <summary>Copies in every memory, on the host.</summary>
    internal long[] Counts => counts ??= ReadCounts();

    /// <summary>Replaces the choice on this thread: logits and K to choices. Tests compare two passes with the same choices.</summary>
    [field: ThreadStatic]
    internal static Func<Tensor, long, Tensor>? Chooser { get; set; }

    /// <summary>Sends every token to the memories with its K largest logits; of equal ones the first.</summary>
    /// <param name="logits"><c>[B, T, M]</c>; 16-bit types are widened to float32.</param>
    /// <param name="count">K, 1 to M.</param>
    /// <exception cref="ArgumentException">Rank or element type do not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer memories, or the count is below 1.</exception>
    public static Routing TopK(Tensor logits, long count)
    {
        var door = new FrontDoor("routing");
        door.Value(nameof(logits), logits, "BTM");
        if (count < 1 || count > door['M'])
            throw new ArgumentOutOfRangeException(nameof(count), count, $"routing: count is {count}; expected 1 to the {door['M']} memories of logits.");

        using var scope = NewDisposeScope();
        Tensor wide = logits.to(door.Accumulation);
        var route = new Routing(wide, (Chooser ?? Largest)(wide.detach(), count));
        foreach (Tensor? kept in new[] { wide, route.places, route.copies, route.tokens, route.lengths, route.Choices, route.Weights, route.Slots })
            if (kept is not null && scope.Contains(kept)) kept.MoveToOuterDisposeScope();
        return route;
    }

    /// <summary>The K largest logits of every token; of equal ones the first.</summary>
    internal static Tensor Largest(Tensor logits, long count) => logits.sort(2, descending: true, stable: true).Item2.narrow(2, 0, count).contiguous();

    /// <summary>The copies of all tokens, in the order of their memories.</summary>
    /// <param name="x"><c>[B, T, ...]</c>.</param>
    /// <returns><c>[1, N, ...]</c>, or <c>[N, 1, ...]</c> at one token a row.</returns>
    public Tensor Gather(Tensor x)
    {
        using var scope = NewDisposeScope();
        long[] features = x.shape[2..];
        Tensor rows = TokenCopies.Run(OperatorForms.OfTensors, TokenCopies.None, x.reshape(B * T, Product(features)), tokens, places)[0];
        return rows.view([.. Rows, .. features]).MoveToOuterDisposeScope();
    }

    /// <summary>Every token's sum over its copies, each times its weight, always in the same order.</summary>
    /// <param name="read"><c>[1, N, ...]</c> or <c>[N, 1, ...]</c>, as <see cref="Gather"/> lays them out.</param>
    /// <returns><c>[B, T, ...]</c> in the element type of <paramref name="read"/>; summed in that of the weights.</returns>
    public Tensor Mix(Tensor read)
    {
        using var scope = NewDisposeScope();
        long[] features = read.shape[2..];
        Tensor rows = read.reshape(B * T * K, Product(features)).to(Weights.dtype);
        Tensor mixed = MixedCopies.Run(OperatorForms.OfTensors, MixedCopies.None, rows, Weights.view(B * T, K), tokens, copies, places)[0];
        return mixed.view([B, T, .. features]).to(read.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// How far the memories are from equal use: <c>M sum_m f_m P_m</c>, with f_m the share of tokens that memory m gets and
    /// P_m the mean of softmax(logits)_m. It is K when all get the same; only P has a gradient.
    /// </summary>
    /// <remarks>Fedus, Zoph, Shazeer: Switch Transformers (arXiv 2101.03961), section 2.2, over K choices.</remarks>
    /// <param name="padding">bool <c>[B, T]</c>, true at tokens that do not count; null where all do.</param>
    /// <returns>A number <c>[]</c>; 0 without tokens that count.</returns>
    public Tensor BalanceLoss(Tensor? padding = null)
    {
        using var scope = NewDisposeScope();
        Tensor probabilities = logits.softmax(2), used = lengths.sum(1).to(logits.dtype), tokens = used.sum() / K;
        if (padding is not null)
        {
            Tensor left = padding.unsqueeze(2), counting = left.logical_not().to(logits.dtype);
            probabilities = probabilities.masked_fill(left, 0);
            used = zeros([B, T, M], dtype: logits.dtype, device: logits.device).scatter_(2, Choices, counting.expand(B, T, K)).sum([0, 1]);
            tokens = counting.sum();
        }

        return (M * (used * probabilities.sum([0, 1])).sum() / tokens.clamp_min(1).square()).MoveToOuterDisposeScope();
    }

    /// <summary>The states of all segments, or at one token a row of those that get one.</summary>
    /// <param name="state"><c>[B, M, ...]</c>.</param>
    internal Tensor StatesOf(Tensor state) => Slots is null ? state.transpose(0, 1).flatten(0, 1) : state.flatten(0, 1).index_select(0, Slots);

    /// <summary>Back from <see cref="StatesOf"/>, of all segments.</summary>
    internal Tensor Spread(Tensor states) => states.view([M, B, .. states.shape[1..]]).transpose(0, 1);

    private long[] Rows => Slots is null ? [1, B * T * K] : [B * K, 1];

    private long[] ReadCounts()
    {
        using var scope = NewDisposeScope();
        return lengths.sum(1).cpu().data<long>().ToArray();
    }

    private static long Product(long[] sizes) => sizes.Aggregate(1L, (product, size) => product * size);
}
