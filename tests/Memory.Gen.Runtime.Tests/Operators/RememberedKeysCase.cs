using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>A call of attention with a window, slots and fading tokens, and the dense softmax over all their keys beside each other.</summary>
internal sealed record RememberedKeysCase
{
    public long B { get; init; } = 2;

    public long T { get; init; } = 20;

    public long H { get; init; } = 4;

    public long G { get; init; } = 2;

    public long K { get; init; } = 5;

    public long V { get; init; } = 3;

    /// <summary>Null for the chunk and the one before.</summary>
    public long? Window { get; init; } = 6;

    public long Chunk { get; init; } = 4;

    /// <summary>Tokens of its chunk that each row has read.</summary>
    public long[] Read { get; init; } = [0, 0];

    public long Past { get; init; }

    /// <summary>Tokens that each row has before the first; null where all of the past counts.</summary>
    public long[]? Lengths { get; init; }

    public long Slots { get; init; } = 3;

    public long Fading { get; init; } = 6;

    public long Stride { get; init; } = 1;

    public long? Offset { get; init; }

    private long Chunks => (Read.Max() + T - 1) / Chunk + 1;

    /// <summary>Queries; keys and values of the window, of its past, of the slots, of the fading tokens, and of their past.</summary>
    public Tensor[] Inputs(Randoms r) =>
    [
        r.Normal(B, T, H, K), r.Normal(B, T, G, K), r.Normal(B, T, G, V), r.Normal(B, Past, G, K), r.Normal(B, Past, G, V),
        r.Normal(B, Chunks, Slots, G, K), r.Normal(B, Chunks, Slots, G, V), r.Normal(B, T, G, K), r.Normal(B, T, G, V), r.Normal(B, Past, G, K), r.Normal(B, Past, G, V),
    ];

    /// <summary>Half of the slots, each by chance.</summary>
    public Tensor Present(Randoms r) => r.Uniform(0, 1, B, Chunks, Slots).gt(0.5);

    public Tensor Call(Tensor[] x, Tensor present, OperatorForm form, int? block = null) => SegmentAttention.Apply(
        x[0], x[1], x[2], Window, Past == 0 ? null : x[3], Past == 0 ? null : x[4], Lengths is null ? null : tensor(Lengths), form: form, chunk: block,
        chunks: new QueryChunks(Chunk, Array.TrueForAll(Read, n => n == 0) ? null : tensor(Read), Window is null),
        slots: Slots == 0 ? null : new ChunkKeys(x[5], x[6], present),
        fading: Fading == 0 ? null : new FadingKeys(x[7], x[8], Fading, Stride, Offset, Past == 0 ? null : x[9], Past == 0 ? null : x[10]));

    /// <summary>The same as one masked softmax; 0 where a query sees nothing.</summary>
    public Tensor Dense(Tensor[] x, Tensor present)
    {
        Tensor Heads(Tensor a) => a.repeat_interleave(H / G, 2);
        Tensor keys = Heads(cat(new[] { x[3], x[1], x[5].flatten(1, 2), x[9], x[7] }, 1)), values = Heads(cat(new[] { x[4], x[2], x[6].flatten(1, 2), x[10], x[8] }, 1));
        Tensor seen = Seen(present).unsqueeze(1), scores = torch.einsum("bthk,bshk->bhts", x[0], keys) / Math.Sqrt(K);
        Tensor top = scores.masked_fill(~seen, double.NegativeInfinity).amax(new long[] { 3 }, keepdim: true).nan_to_num(0, 0, 0);
        Tensor weights = (scores - top).exp().masked_fill(~seen, 0), sum = weights.sum(3, keepdim: true);
        return torch.einsum("bhts,bshv->bthv", weights / sum.masked_fill(sum.eq(0), 1), values);
    }

    private Tensor Seen(Tensor present)
    {
        bool[] there = present.contiguous().view(-1).data<bool>().ToArray();
        var all = new List<bool>();
        for (int b = 0; b < B; b++)
        {
            for (long t = 0; t < T; t++)
            {
                long c = (Read[b] + t) / Chunk, first = Window is { } window ? t - window + 1 : ((c - 1) * Chunk) - Read[b];
                long last = Offset is { } offset ? t - offset : first - 1, begin = -Math.Min(Past, Lengths?[b] ?? Past);
                for (long s = -Past; s < T; s++) all.Add(s >= begin && s >= first && s <= t);
                for (long slot = 0; slot < Chunks * Slots; slot++) all.Add(slot / Slots == c && there[(b * Chunks * Slots) + slot]);
                for (long s = -Past; s < T; s++) all.Add(s >= begin && s <= last && s > last - (Fading * Stride) && (last - s) % Stride == 0);
            }
        }

        return tensor(all.ToArray(), [B, T, (2 * (Past + T)) + (Chunks * Slots)]);
    }
}
