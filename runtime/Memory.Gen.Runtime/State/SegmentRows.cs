using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>Rows of a call that can be read together.</summary>
public static class SegmentRows
{
    /// <summary>Reads the tokens of a call, rows with the same place together: mostly that is all of them.</summary>
    /// <param name="tokens"><c>[B, T]</c>.</param>
    /// <param name="state">What the rows have read, in the middle of its call.</param>
    /// <param name="place">Of a row's position in its text: rows for which it is the same are read together.</param>
    /// <param name="newState">Makes a state for so many rows.</param>
    /// <param name="read">Reads tokens of rows with the same place, and writes the state.</param>
    /// <returns>What was read, <c>[B, T, ...]</c>.</returns>
    public static Tensor Read<TState>(
        Tensor tokens, TState state, Func<long, long> place, Func<long, TState> newState, Func<Tensor, TState, Tensor> read)
        where TState : MemoryState
    {
        long[][] groups = [.. state.RowPositions.Select((position, row) => (Place: place(position), Row: (long)row))
            .GroupBy(each => each.Place, each => each.Row).Select(group => group.ToArray())];
        if (groups.Length <= 1) return read(tokens, state);

        using var scope = NewDisposeScope();
        var parts = new List<TState>();
        try
        {
            var outputs = new List<Tensor>();
            foreach (long[] group in groups)
            {
                Tensor rows = tensor(group, device: tokens.device);
                parts.Add(newState(group.Length));
                parts[^1].TakeRows(state, rows);
                outputs.Add(read(tokens.index_select(0, rows), parts[^1]));
            }

            long[] order = [.. groups.SelectMany(group => group)];
            Tensor places = tensor([.. Enumerable.Range(0, order.Length).Select(row => (long)Array.IndexOf(order, row))], device: tokens.device);
            state.PutRows(parts, places);
            return cat(outputs, 0).index_select(0, places).MoveToOuterDisposeScope();
        }
        finally
        {
            parts.ForEach(part => part.Dispose());
        }
    }
}
