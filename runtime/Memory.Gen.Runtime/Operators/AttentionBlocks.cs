using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Causal or banded softmax attention, block of queries by block of queries: T (window + block) scores, not T^2.</summary>
/// <remarks>
/// A block of queries i .. i+c meets only the keys it can see, one contiguous range, and before them the keys of the prefix.
/// Heads that share keys are stacked as rows of one matrix. Backward, with D = rowsum(dO * O): dS = P * (dO V^T - D).
/// </remarks>
internal sealed class AttentionBlocks : OperatorFunction<AttentionBlocks, AttentionOptions>
{
    /// <summary>Queries of one block, by measurement.</summary>
    private const long DefaultBlock = 64;

    // Inputs: queries, keys, values; then for the prefix the same three, or nothing.
    protected override List<Tensor> Forward(Tensor[] inputs, AttentionOptions options, List<Tensor>? saved)
    {
        Shape shape = Shape.Of(inputs[0], inputs[1], inputs[2]);
        Tensor queries = shape.SplitQueries(inputs[0] * options.Scale);
        Tensor keysT = inputs[1].permute(0, 2, 3, 1).reshape(shape.Memories, shape.K, -1);
        Tensor values = shape.SplitKeys(inputs[2]);
        Tensor output = torch.empty([shape.Memories, shape.Repeat, shape.T, shape.V], dtype: queries.dtype, device: queries.device);
        saved?.AddRange([queries, keysT, values, output]);
        Tensor? prefixScores = null, prefixValues = null;
        if (inputs.Length > 3)
        {
            Tensor prefixQueries = shape.SplitQueries(inputs[3] * options.Scale), prefixKeys = shape.SplitKeys(inputs[4]);
            prefixScores = prefixQueries.matmul(prefixKeys.transpose(1, 2).unsqueeze(1));
            prefixValues = shape.SplitKeys(inputs[5]);
            saved?.AddRange([prefixQueries, prefixKeys, prefixValues]);
        }

        var masks = new Masks(options, shape, queries);
        foreach (Block block in Blocks(shape, options))
        {
            using var scope = NewDisposeScope();
            Tensor Rows(Tensor x) => x.narrow(2, block.Start, block.Length).reshape(shape.Memories, -1, x.shape[3]);
            Tensor scores = Products.Add(masks.For(block), Rows(queries), keysT.narrow(2, block.FirstKey, block.Keys));
            Tensor weights = (prefixScores is null ? scores : cat(new[] { Rows(prefixScores), scores }, 2)).softmax(-1);
            Tensor read = weights.narrow(2, weights.shape[2] - block.Keys, block.Keys).bmm(values.narrow(1, block.FirstKey, block.Keys));
            if (prefixValues is not null) read.add_(weights.narrow(2, 0, prefixValues.shape[1]).bmm(prefixValues));
            output.narrow(2, block.Start, block.Length).copy_(read.view(shape.Memories, shape.Repeat, block.Length, shape.V));
            saved?.Add(weights.MoveToOuterDisposeScope());
        }

        return [shape.MergeQueries(output)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, AttentionOptions options)
    {
        Tensor queries = saved[0], keysT = saved[1], values = saved[2], output = saved[3];
        var shape = new Shape(queries.shape[0], queries.shape[1], queries.shape[2], gradients[0]!.shape[0], queries.shape[3], values.shape[2]);
        int blocks = Blocks(shape, options).Count(), index = saved.Count - blocks;
        Prefix? prefix = index > 4 ? new Prefix(saved[4], saved[5], saved[6]) : null;
        Tensor dOutput = shape.SplitQueries(gradients[0]!);
        Tensor sums = (dOutput * output).sum(3, keepdim: true);
        Tensor keys = keysT.transpose(1, 2).contiguous(), valuesT = values.transpose(1, 2).contiguous();
        Tensor dQueries = empty_like(queries), dKeys = zeros_like(keys), dValues = zeros_like(values);
        foreach (Block block in Blocks(shape, options))
        {
            using var scope = NewDisposeScope();
            Tensor all = saved[index++], weights = all.narrow(2, all.shape[2] - block.Keys, block.Keys);
            Tensor Rows(Tensor x) => x.narrow(2, block.Start, block.Length).reshape(shape.Memories, -1, x.shape[3]);
            void SetRows(Tensor target, Tensor rows) =>
                target.narrow(2, block.Start, block.Length).copy_(rows.view(shape.Memories, shape.Repeat, block.Length, shape.K));
            Tensor dO = Rows(dOutput), D = Rows(sums);
            dValues.narrow(1, block.FirstKey, block.Keys).add_(weights.transpose(1, 2).bmm(dO));
            Tensor dScores = dO.bmm(valuesT.narrow(2, block.FirstKey, block.Keys)).sub_(D).mul_(weights);
            SetRows(dQueries, dScores.bmm(keys.narrow(1, block.FirstKey, block.Keys)));
            dKeys.narrow(1, block.FirstKey, block.Keys).add_(dScores.transpose(1, 2).bmm(Rows(queries)));
            if (prefix is not null) SetRows(prefix.DQueries, prefix.Backward(all, dO, D, Rows(prefix.Queries)));
        }

        List<Tensor> results = [shape.MergeQueries(dQueries.mul_(options.Scale)), shape.MergeKeys(dKeys), shape.MergeKeys(dValues)];
        if (prefix is not null)
            results.AddRange([shape.MergeQueries(prefix.DQueries.mul_(options.Scale)), shape.MergeKeys(prefix.DKeys), shape.MergeKeys(prefix.DValues)]);
        return results;
    }

    private static IEnumerable<Block> Blocks(Shape shape, AttentionOptions options)
    {
        long size = options.Chunk ?? DefaultBlock;
        for (long start = 0; start < shape.T; start += size)
        {
            long length = Math.Min(size, shape.T - start), first = Math.Max(0, options.Past + start - options.Window + 1), each = options.KeysPerToken;
            yield return new Block(start, length, each * first, each * (options.Past + start + length - first));
        }
    }

    /// <summary>A run of queries and the run of keys that any of them sees.</summary>
    private readonly record struct Block(long Start, long Length, long FirstKey, long Keys);

    /// <summary>Sizes: one memory per batch row and key head, read by <c>Repeat</c> query heads.</summary>
    private readonly record struct Shape(long Memories, long Repeat, long T, long B, long K, long V)
    {
        public static Shape Of(Tensor q, Tensor keys, Tensor values) =>
            new(q.shape[0] * keys.shape[2], q.shape[2] / keys.shape[2], q.shape[1], q.shape[0], q.shape[3], values.shape[3]);

        /// <summary><c>[B, T, H, X]</c> to <c>[Memories, Repeat, T, X]</c>.</summary>
        public Tensor SplitQueries(Tensor x) => x.transpose(1, 2).reshape(Memories, Repeat, T, x.shape[3]);

        /// <summary><c>[Memories, Repeat, T, X]</c> to <c>[B, T, H, X]</c>.</summary>
        public Tensor MergeQueries(Tensor x) => x.view(B, Memories / B * Repeat, T, x.shape[3]).transpose(1, 2).contiguous();

        /// <summary><c>[B, S, G, X]</c> to <c>[Memories, S, X]</c>.</summary>
        public Tensor SplitKeys(Tensor x) => x.transpose(1, 2).reshape(Memories, -1, x.shape[3]);

        /// <summary><c>[Memories, S, X]</c> to <c>[B, S, G, X]</c>.</summary>
        public Tensor MergeKeys(Tensor x) => x.view(B, Memories / B, x.shape[1], x.shape[2]).transpose(1, 2).contiguous();
    }

    /// <summary>What is added to the scores of a block: 0 where a query sees a key, -inf where it does not.</summary>
    private sealed class Masks(AttentionOptions options, Shape shape, Tensor like)
    {
        private Block last;
        private Tensor? band;

        public Tensor For(Block block)
        {
            long Distance(Block of) => options.Past + of.Start - (of.FirstKey / options.KeysPerToken);
            if (band is null || block.Length != last.Length || block.Keys != last.Keys || Distance(block) != Distance(last))
            {
                band = Band(block.Length, block.Keys / options.KeysPerToken, Distance(block)).MoveToOuterDisposeScope();
            }

            last = block;
            Tensor mask = band.expand(shape.Memories, -1, -1);
            long past = (options.Past * options.KeysPerToken) - block.FirstKey;
            if (options.Forgotten is not { } forgotten || past <= 0) return mask;

            Tensor known = forgotten.narrow(1, block.FirstKey, past).repeat_interleave(shape.Memories / shape.B, 0).unsqueeze(1);
            Tensor both = mask.clone();
            both.narrow(2, 0, past).add_(known);
            return both;
        }

        private Tensor Band(long queries, long tokens, long distance)
        {
            Tensor hidden = full([queries, tokens], double.NegativeInfinity, dtype: like.dtype, device: like.device);
            Tensor later = hidden.triu(distance + 1), earlier = hidden.tril(distance - options.Window);
            return (later + earlier).repeat_interleave(options.KeysPerToken, 1).repeat(shape.Repeat, 1).unsqueeze(0);
        }
    }

    /// <summary>What backward gathers for the keys that every query sees.</summary>
    private sealed class Prefix(Tensor queries, Tensor keys, Tensor values)
    {
        public Tensor Queries => queries;

        public Tensor DQueries { get; } = empty_like(queries);

        public Tensor DKeys { get; } = zeros_like(keys);

        public Tensor DValues { get; } = zeros_like(values);

        /// <summary>Adds a block's share to the gradients of keys and values, and returns that of its query rows.</summary>
        public Tensor Backward(Tensor weights, Tensor dO, Tensor D, Tensor rows)
        {
            Tensor own = weights.narrow(2, 0, keys.shape[1]);
            DValues.add_(own.transpose(1, 2).bmm(dO));
            Tensor dScores = dO.bmm(values.transpose(1, 2)).sub_(D).mul_(own);
            DKeys.add_(dScores.transpose(1, 2).bmm(rows));
            return dScores.bmm(keys);
        }
    }
}
