using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Where the queries of a call stand. Tokens are counted from its first; those of the past are negative.</summary>
/// <remarks>All of it on the host: backward asks again when the tensors of the call are gone.</remarks>
/// <param name="Window">Tokens that a query sees, itself included; not used where <paramref name="Blocked"/>.</param>
/// <param name="Chunk">Tokens of a chunk.</param>
/// <param name="Blocked">Whether the window begins with the chunk before the query's.</param>
/// <param name="Read">Tokens of its chunk that each row has read before; one number where the rows agree.</param>
/// <param name="Lengths">Tokens that each row has before the first; null where all of the past counts.</param>
internal sealed record QueryPlaces(long Window, long Chunk, bool Blocked, long[] Read, long[]? Lengths)
{
    /// <summary>Whether all rows see the same.</summary>
    public bool RowsAgree => Read.Length == 1 && Lengths is null;

    public long ReadOf(int row) => Read[Math.Min(row, Read.Length - 1)];

    /// <summary>Tokens that a row has before the first.</summary>
    public long Known(int row) => Lengths?[row] ?? long.MaxValue;

    /// <summary>The chunk of query t of a row that has read so many tokens of its first.</summary>
    public long ChunkOf(long read, long t) => (read + t) / Chunk;

    /// <summary>The first token of its window.</summary>
    public long First(long read, long t) => Blocked ? ((ChunkOf(read, t) - 1) * Chunk) - read : t - Window + 1;

    /// <summary>A number for every query of a block, <c>[1 or B, length, 1]</c>.</summary>
    public Tensor Table(QueryBlock block, Func<long, long, long> number, Device device)
    {
        long[] all = [.. Read.SelectMany(read => Enumerable.Range(0, (int)block.Length).Select(i => number(read, block.Start + i)))];
        return tensor(all, [Read.Length, block.Length, 1], device: device);
    }

    /// <summary>True where a key stands before the text of its row: tokens <c>[1, 1, n]</c> to <c>[B, 1, n]</c>.</summary>
    public Tensor? BeforeText(Tensor tokens) =>
        Lengths is null ? null : tokens.lt(tensor(Array.ConvertAll(Lengths, length => -length), [Lengths.Length, 1, 1], device: tokens.device));
}

/// <summary>A run of queries.</summary>
internal readonly record struct QueryBlock(long Start, long Length)
{
    public long Last => Start + Length - 1;
}

/// <summary>A run of keys.</summary>
internal readonly record struct KeyRange(long First, long Count);

/// <summary>Keys of one kind among those of one softmax, and which of them a query sees.</summary>
/// <param name="OwnQueries">Whether something meets them in place of the queries.</param>
internal abstract record KeySource(bool OwnQueries = false)
{
    /// <summary>Whether every query sees at least one.</summary>
    public virtual bool SeesSomething => false;

    /// <summary>The keys that query t of a row sees.</summary>
    public abstract IEnumerable<long> Seen(int row, long t);

    /// <summary>A run of keys with all that any query of the block sees.</summary>
    public abstract KeyRange Range(QueryBlock block);

    /// <summary>True at those of the run that a query does not see, <c>[1 or B, queries, keys]</c>; null where it sees all.</summary>
    public abstract Tensor? Hidden(QueryBlock block, KeyRange range, Device device);

    /// <summary>Numbers from <paramref name="first"/> on, <c>[1, 1, count]</c>.</summary>
    protected static Tensor Numbers(long first, long count, Device device) =>
        arange(first, first + count, dtype: ScalarType.Int64, device: device).view(1, 1, count);

    protected static Tensor Or(Tensor hidden, Tensor? more) => more is null ? hidden : hidden.logical_or(more);
}

/// <summary>The tokens of the window.</summary>
/// <param name="Places">Where the queries stand.</param>
/// <param name="Past">Tokens that stand before the first query.</param>
/// <param name="Each">Keys that a token has.</param>
internal sealed record WindowKeys(QueryPlaces Places, long Past, long Each) : KeySource
{
    public override bool SeesSomething => true;

    public override IEnumerable<long> Seen(int row, long t)
    {
        long first = Math.Max(Places.First(Places.ReadOf(row), t), -Math.Min(Past, Places.Known(row)));
        for (long key = Each * (first + Past); key < Each * (t + 1 + Past); key++) yield return key;
    }

    public override KeyRange Range(QueryBlock block)
    {
        long first = Math.Max(-Past, Places.Read.Min(read => Places.First(read, block.Start)));
        return new(Each * (first + Past), Each * (block.Last + 1 - first));
    }

    public override Tensor Hidden(QueryBlock block, KeyRange range, Device device)
    {
        Tensor tokens = Numbers((range.First / Each) - Past, range.Count / Each, device), own = Numbers(block.Start, block.Length, device).view(1, -1, 1);
        Tensor hidden = Or(tokens.gt(own).logical_or(tokens.lt(Places.Table(block, Places.First, device))), Places.BeforeText(tokens));
        return Each == 1 ? hidden : hidden.repeat_interleave(Each, 2);
    }
}

/// <summary>Fading tokens.</summary>
/// <param name="Places">Where the queries stand.</param>
/// <param name="Past">Tokens that stand before the first query.</param>
/// <param name="Count">Tokens that a query sees.</param>
/// <param name="Stride">Tokens from one to the next.</param>
/// <param name="Offset">How many tokens before the query the last one is; null for the last before the window.</param>
internal sealed record FadingTokens(QueryPlaces Places, long Past, long Count, long Stride, long? Offset) : KeySource
{
    public override IEnumerable<long> Seen(int row, long t)
    {
        long token = Last(Places.ReadOf(row), t), known = Math.Min(Past, Places.Known(row));
        for (long i = 0; i < Count && token >= -known; i++, token -= Stride) yield return token + Past;
    }

    public override KeyRange Range(QueryBlock block)
    {
        long first = Math.Max(-Past, Places.Read.Min(read => Last(read, block.Start)) - ((Count - 1) * Stride));
        return new(first + Past, Math.Max(0, Places.Read.Max(read => Last(read, block.Last)) - first + 1));
    }

    public override Tensor Hidden(QueryBlock block, KeyRange range, Device device)
    {
        Tensor tokens = Numbers(range.First - Past, range.Count, device), behind = Places.Table(block, Last, device) - tokens;
        Tensor hidden = behind.lt(0).logical_or(behind.ge(Count * Stride));
        if (Stride > 1) hidden = hidden.logical_or(behind.remainder(Stride).ne(0));
        return Or(hidden, Places.BeforeText(tokens));
    }

    private long Last(long read, long t) => Offset is { } offset ? t - offset : Places.First(read, t) - 1;
}

/// <summary>Slots of the query's chunk.</summary>
/// <param name="Places">Where the queries stand.</param>
/// <param name="Slots">Slots of a chunk.</param>
/// <param name="Chunks">Chunks that there are slots for.</param>
/// <param name="Present">Which slots hold a key: row by row, chunk by chunk.</param>
internal sealed record ChunkSlots(QueryPlaces Places, long Slots, long Chunks, bool[] Present) : KeySource
{
    public override IEnumerable<long> Seen(int row, long t)
    {
        long chunk = Places.ChunkOf(Places.ReadOf(row), t);
        for (long key = chunk * Slots; key < (chunk + 1) * Slots; key++)
        {
            if (Present[(row * Chunks * Slots) + key]) yield return key;
        }
    }

    public override KeyRange Range(QueryBlock block)
    {
        long first = Places.Read.Min(read => Places.ChunkOf(read, block.Start)), last = Places.Read.Max(read => Places.ChunkOf(read, block.Last));
        return new(first * Slots, (last + 1 - first) * Slots);
    }

    public override Tensor Hidden(QueryBlock block, KeyRange range, Device device)
    {
        Tensor missing = tensor(Present, device: device).view(-1, 1, Chunks * Slots).narrow(2, range.First, range.Count).logical_not();
        if (range.Count == Slots) return missing.expand(-1, block.Length, -1);
        Tensor chunk = Numbers(range.First / Slots, range.Count / Slots, device).repeat_interleave(Slots, 2);
        return missing.logical_or(chunk.ne(Places.Table(block, Places.ChunkOf, device)));
    }
}

/// <summary>Keys that every query sees.</summary>
internal sealed record PrefixKeys(long Count, bool OwnQueries) : KeySource(OwnQueries)
{
    public override bool SeesSomething => true;

    public override IEnumerable<long> Seen(int row, long t)
    {
        for (long key = 0; key < Count; key++) yield return key;
    }

    public override KeyRange Range(QueryBlock block) => new(0, Count);

    public override Tensor? Hidden(QueryBlock block, KeyRange range, Device device) => null;
}
