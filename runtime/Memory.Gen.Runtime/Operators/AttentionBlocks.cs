using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What attention needs besides tensors.</summary>
/// <param name="Scale">Factor on the scores.</param>
/// <param name="Block">Queries of one block; null for the default.</param>
/// <param name="Places">Where the queries stand.</param>
/// <param name="Sources">The kinds of keys, in the order of their tensors.</param>
internal sealed record AttentionOptions(double Scale, long? Block, QueryPlaces Places, KeySource[] Sources);

/// <summary>Softmax attention over keys of several kinds, block of queries by block of queries: as many scores as keys are seen, not T^2.</summary>
/// <remarks>
/// A block meets of every source one contiguous run. Heads that share keys are stacked as rows of one matrix. Backward forms
/// the weights P of a block again rather than keep them; with D = rowsum(dO * O), dS = P * (dO V^T - D), source by source,
/// and the gradients of the queries add up.
/// </remarks>
internal sealed class AttentionBlocks : OperatorFunction<AttentionBlocks, AttentionOptions>
{
    /// <summary>Queries of one block, by measurement.</summary>
    private const long DefaultBlock = 64;

    // Inputs: queries, then for every source its own queries, where it has some, keys and values.
    protected override List<Tensor> Forward(Tensor[] inputs, AttentionOptions options, List<Tensor>? saved)
    {
        Shape shape = Shape.Of(inputs);
        Tensor queries = shape.SplitQueries(inputs[0] * options.Scale);
        Operand[] operands = Operand.Of(inputs, options, shape, queries);
        Tensor output = torch.empty([shape.Memories, shape.Repeat, shape.T, shape.V], dtype: queries.dtype, device: queries.device);
        foreach (QueryBlock block in Blocks(shape.T, options))
        {
            using var scope = NewDisposeScope();
            Tensor read = zeros([shape.Memories, shape.Repeat * block.Length, shape.V], dtype: queries.dtype, device: queries.device);
            foreach (Met each in Meet(operands, block)) read = Products.Add(read, each.Weights, each.Operand.ValuesOf(each.Range));
            shape.SetRows(output, block, read);
        }

        saved?.AddRange([queries, output, .. operands.SelectMany(operand => operand.Saved)]);
        return [shape.MergeQueries(output)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, AttentionOptions options)
    {
        Tensor queries = saved[0], output = saved[1];
        var shape = new Shape(queries.shape[0], queries.shape[1], queries.shape[2], gradients[0]!.shape[0], queries.shape[3], output.shape[3]);
        Operand[] operands = Operand.OfSaved(saved[2..], options, shape, queries);
        Tensor dOutput = shape.SplitQueries(gradients[0]!), inner = (dOutput * output).sum(3, keepdim: true), dQueries = zeros_like(queries);
        Gradient[] results = Array.ConvertAll(operands, operand => new Gradient(operand, dQueries));
        foreach (QueryBlock block in Blocks(shape.T, options))
        {
            using var scope = NewDisposeScope();
            Tensor dO = shape.Rows(dOutput, block), D = shape.Rows(inner, block);
            foreach ((Operand operand, KeyRange range, Tensor weights) in Meet(operands, block))
            {
                Gradient each = Array.Find(results, result => ReferenceEquals(result.Operand, operand))!;
                each.DValues.narrow(1, range.First, range.Count).add_(weights.transpose(1, 2).bmm(dO));
                Tensor dScores = dO.bmm(operand.ValuesOf(range).transpose(1, 2)).sub_(D).mul_(weights);
                each.DKeys.narrow(1, range.First, range.Count).add_(dScores.transpose(1, 2).bmm(shape.Rows(operand.Queries, block)));
                each.DQueries.narrow(2, block.Start, block.Length).add_(dScores.bmm(operand.KeysOf(range)).view(shape.Memories, shape.Repeat, block.Length, shape.K));
            }
        }

        List<Tensor> all = [shape.MergeQueries(dQueries.mul_(options.Scale))];
        foreach (Gradient each in results)
        {
            if (each.Operand.Source.OwnQueries) all.Add(shape.MergeQueries(each.DQueries.mul_(options.Scale)));
            all.AddRange([shape.MergeKeys(each.DKeys), shape.MergeKeys(each.DValues)]);
        }

        return all;
    }

    // A block ends with the chunk of the first row, so that where all rows agree it meets the slots of one.
    private static IEnumerable<QueryBlock> Blocks(long T, AttentionOptions options)
    {
        QueryPlaces places = options.Places;
        bool cut = Array.Exists(options.Sources, source => source is ChunkSlots);
        for (long start = 0; start < T;)
        {
            long length = Math.Min(options.Block ?? DefaultBlock, T - start);
            if (cut) length = Math.Min(length, places.Chunk - ((places.Read[0] + start) % places.Chunk));
            yield return new QueryBlock(start, length);
            start += length;
        }
    }

    /// <summary>The sources of which a block sees something, with the weights of what it sees.</summary>
    private static IEnumerable<Met> Meet(Operand[] operands, QueryBlock block)
    {
        (Operand Operand, KeyRange Range)[] seen = [.. operands.Select(operand => (operand, operand.Source.Range(block))).Where(each => each.Item2.Count > 0)];
        if (seen.Length == 0) yield break;
        Tensor scores = cat([.. seen.Select(each => each.Operand.Scores(block, each.Range))], 2), weights = scores.softmax(2);

        // The softmax of a query that sees none of the keys is 0 / 0.
        if (!Array.Exists(seen, each => each.Operand.Source.SeesSomething))
            weights.masked_fill_(scores.amax(new long[] { 2 }, keepdim: true).eq(double.NegativeInfinity), 0);
        long first = 0;
        foreach ((Operand operand, KeyRange range) in seen)
        {
            yield return new Met(operand, range, weights.narrow(2, first, range.Count));
            first += range.Count;
        }
    }

    /// <summary>A run of keys of one source and a block's weights of them, <c>[Memories, Repeat * length, keys]</c>.</summary>
    private readonly record struct Met(Operand Operand, KeyRange Range, Tensor Weights);

    /// <summary>Sizes: one memory per batch row and key head, read by <c>Repeat</c> query heads.</summary>
    private readonly record struct Shape(long Memories, long Repeat, long T, long B, long K, long V)
    {
        public static Shape Of(Tensor[] inputs)
        {
            Tensor q = inputs[0], values = inputs[^1];
            long G = values.shape[2];
            return new(q.shape[0] * G, q.shape[2] / G, q.shape[1], q.shape[0], q.shape[3], values.shape[3]);
        }

        /// <summary><c>[B, T, H, X]</c> to <c>[Memories, Repeat, T, X]</c>.</summary>
        public Tensor SplitQueries(Tensor x) => x.transpose(1, 2).reshape(Memories, Repeat, T, x.shape[3]);

        /// <summary><c>[Memories, Repeat, T, X]</c> to <c>[B, T, H, X]</c>.</summary>
        public Tensor MergeQueries(Tensor x) => x.view(B, Memories / B * Repeat, T, x.shape[3]).transpose(1, 2).contiguous();

        /// <summary><c>[B, S, G, X]</c> to <c>[Memories, S, X]</c>.</summary>
        public Tensor SplitKeys(Tensor x) => x.transpose(1, 2).reshape(Memories, -1, x.shape[3]);

        /// <summary><c>[Memories, S, X]</c> to <c>[B, S, G, X]</c>.</summary>
        public Tensor MergeKeys(Tensor x) => x.view(B, Memories / B, x.shape[1], x.shape[2]).transpose(1, 2).contiguous();

        /// <summary>A block of <c>[Memories, Repeat, T, X]</c> as <c>[Memories, Repeat * length, X]</c>.</summary>
        public Tensor Rows(Tensor x, QueryBlock block) => x.narrow(2, block.Start, block.Length).reshape(Memories, -1, x.shape[3]);

        public void SetRows(Tensor target, QueryBlock block, Tensor rows) =>
            target.narrow(2, block.Start, block.Length).copy_(rows.view(Memories, Repeat, block.Length, rows.shape[2]));
    }

    /// <summary>Queries <c>[Memories, Repeat, T, K]</c>, keys <c>[Memories, S, K]</c> and values <c>[Memories, S, V]</c> of one source.</summary>
    private sealed record Operand(KeySource Source, Shape Shape, Tensor Queries, Tensor Keys, Tensor Values)
    {
        public Tensor[] Saved => Source.OwnQueries ? [Queries, Keys, Values] : [Keys, Values];

        public static Operand[] Of(Tensor[] inputs, AttentionOptions options, Shape shape, Tensor queries)
        {
            int next = 1;
            return Array.ConvertAll(options.Sources, source =>
            {
                Tensor own = source.OwnQueries ? shape.SplitQueries(inputs[next++] * options.Scale) : queries;
                return new Operand(source, shape, own, shape.SplitKeys(inputs[next++]), shape.SplitKeys(inputs[next++]));
            });
        }

        public static Operand[] OfSaved(List<Tensor> saved, AttentionOptions options, Shape shape, Tensor queries)
        {
            int next = 0;
            return Array.ConvertAll(options.Sources, source =>
            {
                Tensor own = source.OwnQueries ? saved[next++] : queries;
                return new Operand(source, shape, own, saved[next++], saved[next++]);
            });
        }

        public Tensor KeysOf(KeyRange range) => Keys.narrow(1, range.First, range.Count);

        public Tensor ValuesOf(KeyRange range) => Values.narrow(1, range.First, range.Count);

        /// <summary>What a block's queries score, -inf where they do not see: <c>[Memories, Repeat * length, keys]</c>.</summary>
        public Tensor Scores(QueryBlock block, KeyRange range)
        {
            Tensor rows = Shape.Rows(Queries, block), keysT = KeysOf(range).transpose(1, 2);
            if (Source.Hidden(block, range, Keys.device) is not { } hidden) return rows.bmm(keysT);
            Tensor mask = zeros(hidden.shape, dtype: Keys.dtype, device: Keys.device).masked_fill_(hidden, double.NegativeInfinity);
            if (Shape.Repeat > 1) mask = mask.repeat(1, Shape.Repeat, 1);
            mask = mask.shape[0] == 1 ? mask.expand(Shape.Memories, -1, -1) : mask.repeat_interleave(Shape.Memories / Shape.B, 0);
            return Products.Add(mask, rows, keysT);
        }
    }

    /// <summary>What backward gathers for one source.</summary>
    private sealed class Gradient(Operand operand, Tensor dQueries)
    {
        public Operand Operand => operand;

        public Tensor DQueries { get; } = operand.Source.OwnQueries ? zeros_like(dQueries) : dQueries;

        public Tensor DKeys { get; } = zeros_like(operand.Keys);

        public Tensor DValues { get; } = zeros_like(operand.Values);
    }
}
