using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The softmax of every query over the keys that it sees, query by query; rows that see different keys one by one.</summary>
internal static class AttentionLoop
{
    /// <param name="options">Which keys a query sees.</param>
    /// <param name="inputs">Queries <c>[B, T, H, K]</c>; then for every source its own queries, where it has some, keys <c>[B, S, G, K]</c> and values <c>[B, S, G, V]</c>.</param>
    /// <returns><c>[B, T, H, V]</c>.</returns>
    public static Tensor Run(AttentionOptions options, Tensor[] inputs)
    {
        if (options.Places.RowsAgree && !Array.Exists(options.Sources, source => source is ChunkSlots)) return Rows(options, inputs, 0);
        return cat([.. Enumerable.Range(0, (int)inputs[0].shape[0]).Select(row => Rows(options, Array.ConvertAll(inputs, x => x.narrow(0, row, 1)), row))], 0);
    }

    private static Tensor Rows(AttentionOptions options, Tensor[] inputs, int row)
    {
        long T = inputs[0].shape[1];
        var outputs = new Tensor[T];
        for (int t = 0; t < T; t++)
        {
            List<Tensor> scores = [], values = [];
            int next = 1;
            foreach (KeySource source in options.Sources)
            {
                Tensor queries = source.OwnQueries ? inputs[next++] : inputs[0];
                Tensor keys = inputs[next++], read = inputs[next++];
                long[] seen = [.. source.Seen(row, t)];
                if (seen.Length == 0) continue;
                Tensor q = ByKeyHead(queries.select(1, t) * options.Scale, keys.shape[2]);
                scores.Add(q.matmul(Take(keys, seen).permute(0, 2, 3, 1)));
                values.Add(Take(read, seen).transpose(1, 2));
            }

            outputs[t] = scores.Count == 0
                ? zeros([inputs[0].shape[0], inputs[0].shape[2], inputs[^1].shape[3]], dtype: inputs[0].dtype, device: inputs[0].device)
                : cat(scores, 3).softmax(3).matmul(cat(values, 2)).flatten(1, 2);
        }

        return stack(outputs, 1);
    }

    /// <summary><c>[B, H, K]</c> to <c>[B, G, H / G, K]</c>.</summary>
    private static Tensor ByKeyHead(Tensor q, long G) => q.view(q.shape[0], G, -1, q.shape[2]);

    private static Tensor Take(Tensor x, long[] seen) => seen[^1] - seen[0] == seen.Length - 1
        ? x.narrow(1, seen[0], seen.Length)
        : x.index_select(1, tensor(seen, device: x.device));
}
