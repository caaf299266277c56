using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Softmax attention of every token over itself and the tokens before it, all of them or a window, and over what is remembered of the others.</summary>
/// <remarks>
/// Key and value heads may be fewer than query heads: query head h reads key head h G / H. A token may have several keys,
/// one after another, which are seen and forgotten together. One softmax reads up to four kinds of keys: the window, a
/// prefix that every query sees, the slots of the query's chunk (eidetic memory), and fading tokens. A query that sees no
/// key at all reads 0.
/// </remarks>
public static class SegmentAttention
{
    private const string Name = "segment_attention";

    /// <summary>The window of all tokens that there may be.</summary>
    private const long Unbounded = 1L << 40;

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, nT, G, K]</c>, n a token, mostly 1; H is a multiple of G.</param>
    /// <param name="v">Values <c>[B, nT, G, V]</c>.</param>
    /// <param name="window">A query sees itself and the <c>window - 1</c> tokens before it; null for all. 0, for none, where there are other keys.</param>
    /// <param name="pastKeys">Keys of the tokens before the first, oldest first, <c>[B, nL, G, K]</c>; null for none.</param>
    /// <param name="pastValues">Values of the same tokens, <c>[B, nL, G, V]</c>.</param>
    /// <param name="pastLengths">How many tokens each row has before the first, int64 <c>[B]</c>: the last so many of what is past count; null for all.</param>
    /// <param name="scale">Factor on the scores; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Queries a block of the computation; null for the default. Changes rounding only.</param>
    /// <param name="prefixKeys">Keys that every query sees, <c>[B, P, G, K]</c>; null for none.</param>
    /// <param name="prefixValues">Their values, <c>[B, P, G, V]</c>.</param>
    /// <param name="prefixQueries">What meets them in place of q, <c>[B, T, H, K]</c>: queries without a position, for example; null for q.</param>
    /// <param name="segments">
    /// Which tokens make up which sequence, each with a past and a prefix of its own; null where every row is one. Tokens that
    /// do not count have keys that nobody sees, and take no place in a window. Not beside the three that follow.
    /// </param>
    /// <param name="chunks">How queries are cut into chunks; null where nothing depends on it.</param>
    /// <param name="slots">Keys of whole chunks; null for none.</param>
    /// <param name="fading">Keys of a second stream; null for none.</param>
    /// <returns>Outputs <c>[B, T, H, V]</c>.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device, or does not go with another.</exception>
    public static Tensor Apply(
        Tensor q, Tensor k, Tensor v, long? window = null, Tensor? pastKeys = null, Tensor? pastValues = null, Tensor? pastLengths = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null,
        Tensor? prefixKeys = null, Tensor? prefixValues = null, Tensor? prefixQueries = null, Segments? segments = null,
        QueryChunks? chunks = null, ChunkKeys? slots = null, FadingKeys? fading = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BNGK");
        door.Value(nameof(v), v, "BNGV");
        SegmentLayout? layout = door.Segments(segments);
        if (pastKeys is not null || pastValues is not null)
        {
            door.Value(nameof(pastKeys), pastKeys, door.PerSequence("BLGK"));
            door.Value(nameof(pastValues), pastValues, door.PerSequence("BLGV"));
        }

        if (pastLengths is not null) door.Integers(nameof(pastLengths), pastLengths, door.PerSequence("B"));
        if (prefixKeys is not null || prefixValues is not null || prefixQueries is not null)
        {
            door.Value(nameof(prefixKeys), prefixKeys, door.PerSequence("BPGK"));
            door.Value(nameof(prefixValues), prefixValues, door.PerSequence("BPGV"));
            if (prefixQueries is not null) door.Value(nameof(prefixQueries), prefixQueries, "BTHK");
        }

        door.AtLeastOne('K');
        door.AtLeastOne('G');
        bool hasPrefix = prefixKeys is not null && door['P'] > 0;
        door.AtLeast(nameof(window), window, hasPrefix || slots is not null || fading is not null ? 0 : 1);
        door.Positive(nameof(chunk), chunk);
        door.Finite(nameof(scale), scale);
        long B = door['B'], T = door['T'], H = door['H'], G = door['G'], V = door['V'], past = pastKeys is null ? 0 : door['L'];
        if (H % G != 0) throw new ArgumentException($"{Name}: q has {H} heads and k has {G}; expected a multiple of those of k.", nameof(q));
        long each = T == 0 ? 1 : door['N'] / T, L = past / Math.Max(1, each);
        if (door['N'] != each * T || (T > 0 && each == 0))
            throw new ArgumentException($"{Name}: k has {door['N']} keys for {T} tokens; expected the same number for each.", nameof(k));
        if (past != each * L)
            throw new ArgumentException($"{Name}: pastKeys has {past} keys, and k has {each} a token; expected as many for each token before.", nameof(pastKeys));
        if (segments is not null && (chunks is not null || slots is not null || fading is not null))
            throw new ArgumentException($"{Name}: segments do not go with chunks, slots or fading; give every sequence a row of its own.", nameof(segments));
        long[] read = RememberedKeys.Check(door, window, chunks, slots, fading);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => layout is null ? AttentionKernel.Refusal(door) : "it has no kernel for segments");

        using var scope = NewDisposeScope();
        if (B * T * H * V == 0) return zeros([B, T, H, V], dtype: q.dtype, device: q.device).MoveToOuterDisposeScope();
        Tensor[] own = [.. new[] { pastKeys, pastValues, pastLengths, prefixKeys, prefixValues }.OfType<Tensor>()];
        return SegmentLayout.Run(layout, chosen, Sequences, [q, ByToken(k), ByToken(v), prefixQueries], own)[0].to(door.Dtype).MoveToOuterDisposeScope();

        // Sequences are moved token by token, with all the keys that one has.
        Tensor ByToken(Tensor x) => layout is null ? x : x.reshape([B, T, each, .. x.shape[2..]]);
        Tensor ByKey(Tensor x) => layout is null ? x : x.reshape([x.shape[0], x.shape[1] * each, .. x.shape[3..]]);

        // What fills up a sequence stands after its tokens, so that none of them sees it.
        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            Tensor q = x[0]!, k = ByKey(x[1]!), v = ByKey(x[2]!);
            long T = q.shape[1];
            if (q.numel() == 0) return [zeros([q.shape[0], T, H, V], dtype: door.Accumulation, device: q.device)];
            var given = new Queue<Tensor>(states);
            Tensor? before = pastKeys is null ? null : given.Dequeue(), valuesBefore = pastKeys is null ? null : given.Dequeue();
            long[]? counted = pastLengths is null ? null : RememberedKeys.OnHost(given.Dequeue());
            if (counted is not null && Array.Find(counted, tokens => tokens < 0) is < 0 and var negative)
                throw new ArgumentException($"{Name}: pastLengths has {negative} for a row; expected at least 0.", nameof(pastLengths));
            var kinds = new List<(KeySource Source, Tensor[] Tensors)>();
            if (T == 1 && before is not null && !hasPrefix && chunks is null && slots is null && fading is null && PastOfOne(counted, Math.Min(L, window - 1 ?? L)) is { } seen)
            {
                // All that the only token sees of the past every query sees: it need not stand in one tensor with what is new.
                if (seen > 0) kinds.Add((new PrefixKeys(each * seen, false), [before.narrow(1, past - (each * seen), each * seen), valuesBefore!.narrow(1, past - (each * seen), each * seen)]));
                (before, counted) = (null, null);
            }

            var places = new QueryPlaces(Math.Min(window ?? long.MaxValue, Unbounded), chunks?.Length ?? 0, chunks is { Blocked: true }, read, counted);
            Tensor keys = before is null ? k : cat(new[] { before, k }, 1), values = before is null ? v : cat(new[] { valuesBefore!, v }, 1);
            if (hasPrefix) kinds.Add((new PrefixKeys(door['P'], prefixQueries is not null), [.. new[] { x[3], given.Dequeue(), given.Dequeue() }.OfType<Tensor>()]));
            if (slots is not null && door['M'] > 0) kinds.Add((new ChunkSlots(places, door['M'], door['C'], RememberedKeys.OnHost(slots)), [slots.Keys.flatten(1, 2), slots.Values.flatten(1, 2)]));
            if (fading is not null) kinds.Add(RememberedKeys.Of(fading, places, T));
            if (window != 0) kinds.Add((new WindowKeys(places, before is null ? 0 : L, each), [keys, values]));
            if (kinds.Count == 0) return [zeros([q.shape[0], T, H, V], dtype: door.Accumulation, device: q.device)];
            var options = new AttentionOptions(scale ?? 1 / Math.Sqrt(door['K']), chunk, places, [.. kinds.Select(kind => kind.Source)]);
            ScalarType numbers = chosen == OperatorForm.Native ? door.Dtype : door.Accumulation;
            Tensor[] inputs = [.. kinds.SelectMany(kind => kind.Tensors).Prepend(q).Select(y => y.to(numbers))];
            return [chosen switch
            {
                OperatorForm.Reference => AttentionLoop.Run(options, inputs),
                OperatorForm.Native => AttentionKernel.Run(options, inputs),
                _ => AttentionBlocks.Run(options, inputs)[0],
            }];
        }
    }

    /// <summary>How many tokens of the past the one token of a row sees; null where the rows differ.</summary>
    /// <param name="counted">Tokens that each row has there; null for all.</param>
    /// <param name="most">Tokens that there are, within the window.</param>
    private static long? PastOfOne(long[]? counted, long most)
    {
        if (counted is null || counted.Length == 0) return most;
        long seen = Math.Min(counted[0], most);
        return Array.TrueForAll(counted, tokens => Math.Min(tokens, most) == seen) ? seen : null;
    }
}
