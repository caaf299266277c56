using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Softmax attention of every token over itself and the tokens before it, all of them or a window.</summary>
/// <remarks>
/// Key and value heads may be fewer than query heads: query head h reads key head h G / H. A token may have several keys,
/// one after another, which are seen and forgotten together; a prefix of keys is seen by every query.
/// </remarks>
public static class SegmentAttention
{
    private const string Name = "segment_attention";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, nT, G, K]</c>, n a token, mostly 1; H is a multiple of G.</param>
    /// <param name="v">Values <c>[B, nT, G, V]</c>.</param>
    /// <param name="window">A query sees itself and the <c>window - 1</c> tokens before it; null for all.</param>
    /// <param name="pastKeys">Keys of the tokens before the first, oldest first, <c>[B, nL, G, K]</c>; null for none.</param>
    /// <param name="pastValues">Values of the same tokens, <c>[B, nL, G, V]</c>.</param>
    /// <param name="pastLengths">How many of the last past tokens count in each row, int64 <c>[B]</c>; null for all.</param>
    /// <param name="scale">Factor on the scores; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Queries a block; null for the default. Changes rounding only.</param>
    /// <param name="prefixKeys">Keys that every query sees, <c>[B, P, G, K]</c>; null for none.</param>
    /// <param name="prefixValues">Their values, <c>[B, P, G, V]</c>.</param>
    /// <param name="prefixQueries">What meets them in place of q, <c>[B, T, H, K]</c>: queries without a position, for example; null for q.</param>
    /// <param name="segments">
    /// Which tokens make up which sequence, each with a past and a prefix of its own; null where every row is one. Tokens that
    /// do not count have keys that nobody sees, and take no place in a window.
    /// </param>
    /// <returns>Outputs <c>[B, T, H, V]</c>.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Apply(
        Tensor q, Tensor k, Tensor v, long? window = null, Tensor? pastKeys = null, Tensor? pastValues = null, Tensor? pastLengths = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null,
        Tensor? prefixKeys = null, Tensor? prefixValues = null, Tensor? prefixQueries = null, Segments? segments = null)
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
        door.Positive(nameof(window), window);
        door.Positive(nameof(chunk), chunk);
        door.Finite(nameof(scale), scale);
        long B = door['B'], T = door['T'], H = door['H'], G = door['G'], V = door['V'], past = pastKeys is null ? 0 : door['L'];
        if (H % G != 0) throw new ArgumentException($"{Name}: q has {H} heads and k has {G}; expected a multiple of those of k.", nameof(q));
        long each = T == 0 ? 1 : door['N'] / T, L = past / Math.Max(1, each);
        if (door['N'] != each * T || (T > 0 && each == 0))
            throw new ArgumentException($"{Name}: k has {door['N']} keys for {T} tokens; expected the same number for each.", nameof(k));
        if (past != each * L)
            throw new ArgumentException($"{Name}: pastKeys has {past} keys, and k has {each} a token; expected as many for each token before.", nameof(pastKeys));
        OperatorForm chosen = OperatorForms.Choose(Name, form, null);

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
            Tensor keys = pastKeys is null ? k : cat(new[] { given.Dequeue(), k }, 1), values = pastKeys is null ? v : cat(new[] { given.Dequeue(), v }, 1);
            Tensor? counted = pastLengths is null ? null : given.Dequeue();
            Tensor? forgotten = counted is null || L == 0 ? null : PastMask(counted, L, door.Accumulation).repeat_interleave(each, 1);
            var options = new AttentionOptions(Math.Min(window ?? long.MaxValue, L + T), L, each, scale ?? 1 / Math.Sqrt(door['K']), chunk, forgotten);
            bool hasPrefix = prefixKeys is not null && door['P'] > 0;
            Tensor[] inputs = [.. (hasPrefix ? [q, keys, values, x[3] ?? q, given.Dequeue(), given.Dequeue()] : new[] { q, keys, values }).Select(y => y.to(door.Accumulation))];
            return [T == 1 || chosen == OperatorForm.Reference ? Loop(inputs, options) : AttentionBlocks.Run(options, inputs)[0]];
        }
    }

    /// <summary>What is added to the scores of past entries, <c>[B, L]</c>: -inf where a row has no such entry.</summary>
    private static Tensor PastMask(Tensor lengths, long L, ScalarType dtype)
    {
        Tensor first = L - lengths.unsqueeze(1);
        Tensor missing = arange(L, dtype: ScalarType.Int64, device: lengths.device).unsqueeze(0).lt(first);
        return zeros(missing.shape, dtype: dtype, device: lengths.device).masked_fill_(missing, double.NegativeInfinity);
    }

    private static Tensor Loop(Tensor[] inputs, AttentionOptions options)
    {
        Tensor q = inputs[0], keys = inputs[1], values = inputs[2];
        long B = q.shape[0], T = q.shape[1], H = q.shape[2], K = q.shape[3], G = keys.shape[2], V = values.shape[3], n = options.KeysPerToken;
        Tensor Queries(Tensor x) => (x * options.Scale).view(B, T, G, H / G, K);
        Tensor queries = Queries(q), keysT = keys.permute(0, 2, 3, 1), valuesT = values.permute(0, 2, 1, 3);
        Tensor? prefixScores = inputs.Length > 3 ? Queries(inputs[3]).matmul(inputs[4].permute(0, 2, 3, 1).unsqueeze(1)) : null;
        Tensor? prefixValues = inputs.Length > 3 ? inputs[5].permute(0, 2, 1, 3) : null;
        var outputs = new Tensor[T];
        for (long t = 0; t < T; t++)
        {
            long end = options.Past + t + 1, start = Math.Max(0, end - options.Window);
            Tensor scores = queries.select(1, t).matmul(keysT.narrow(3, n * start, n * (end - start)));
            if (options.Forgotten is { } mask && start < options.Past)
            {
                Tensor known = mask.narrow(1, n * start, n * (options.Past - start));
                Tensor present = zeros([B, n * (end - options.Past)], dtype: q.dtype, device: q.device);
                scores = scores + cat(new[] { known, present }, 1).view(B, 1, 1, -1);
            }

            Tensor seen = valuesT.narrow(2, n * start, n * (end - start));
            if (prefixScores is not null)
            {
                scores = cat(new[] { prefixScores.select(1, t), scores }, -1);
                seen = cat(new[] { prefixValues!, seen }, 2);
            }

            outputs[t] = scores.softmax(-1).matmul(seen).view(B, H, V);
        }

        return stack(outputs, 1);
    }
}

/// <summary>Options of attention over a segment.</summary>
/// <param name="Window">Tokens a query sees, itself included.</param>
/// <param name="Past">Tokens that stand before the first query.</param>
/// <param name="KeysPerToken">Keys that a token has.</param>
/// <param name="Scale">Factor on the scores.</param>
/// <param name="Chunk">Queries of one block; null for the default.</param>
/// <param name="Forgotten">Added to the scores of the past's keys; null where all of it counts.</param>
internal sealed record AttentionOptions(long Window, long Past, long KeysPerToken, double Scale, long? Chunk, Tensor? Forgotten);
