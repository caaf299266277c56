using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>Reads rows in which some tokens only fill up, such as prompts of different lengths in one batch.</summary>
public static class PaddedRows
{
    /// <summary>
    /// Reads a batch and advances its state, all or nothing, as if the tokens to skip were not there: they change nothing in
    /// their row's state and count in no position. Padding may stand before a row, behind it or within it.
    /// </summary>
    /// <remarks>Rows are read together as far as the shortest goes, then those that are left: the model is called once for each different number of tokens. Of a single token
    /// without gradients, as in a step of conversations of which some are idle, it is called once, and idle rows are put back: that costs little more than a step. Where a model looks
    /// ahead in a segment (<see cref="ISegmentedModel.LooksAhead"/>), rows of different numbers are read apart, each in one call.
    /// <see cref="MemoryState.AuxiliaryLoss"/> is the mean over those calls, each weighed by its tokens. A balance loss is a product of two means over tokens, so where rows
    /// have different numbers of tokens it is not that of all tokens at once, which <see cref="MemoryState.MarkPadding"/> gives for padding behind the text.</remarks>
    /// <param name="model">The model.</param>
    /// <param name="tokens"><c>[B, T]</c> int64.</param>
    /// <param name="state">A state of this model with B rows; left as it was if the call throws.</param>
    /// <param name="skip">bool <c>[B, T]</c>, true at tokens that are not there.</param>
    /// <returns>Logits <c>[B, T, VocabSize]</c>, 0 at tokens that were skipped.</returns>
    /// <exception cref="ArgumentException"><paramref name="skip"/> is no bool tensor of the tokens' shape, or the state has other rows.</exception>
    public static Tensor Prefill(this IMemoryModel model, Tensor tokens, MemoryState state, Tensor skip) =>
        Read(tokens, state, skip, model.NewState, model.Prefill, inOneCall: LooksAhead(model));

    /// <summary>The same for what comes next alone: the logits after the last token that every row really read.</summary>
    /// <inheritdoc cref="Prefill(IMemoryModel, Tensor, MemoryState, Tensor)"/>
    /// <returns>Logits <c>[B, VocabSize]</c>, 0 in a row whose tokens were all skipped.</returns>
    /// <exception cref="ArgumentException"><paramref name="skip"/> is no bool tensor of the tokens' shape, the state has other rows, or every token of every row is skipped.</exception>
    public static Tensor Read(this IMemoryModel model, Tensor tokens, MemoryState state, Tensor skip) =>
        Read(tokens, state, skip, model.NewState, model.Read, inOneCall: LooksAhead(model), last: true);

    /// <inheritdoc cref="Prefill(IMemoryModel, Tensor, MemoryState, Tensor)"/>
    /// <param name="layer">The layer.</param>
    /// <param name="features"><c>[B, T, Dim]</c>.</param>
    /// <param name="state">A state of this layer with B rows; left as it was if the call throws.</param>
    /// <param name="skip">bool <c>[B, T]</c>, true at tokens that are not there.</param>
    /// <returns><c>[B, T, Dim]</c>, 0 at tokens that were skipped.</returns>
    public static Tensor Prefill(this IMemoryLayer layer, Tensor features, MemoryState state, Tensor skip) =>
        Read(features, state, skip, layer.NewState, layer.Prefill, inOneCall: false);

    private static bool LooksAhead(IMemoryModel model) => model is ISegmentedModel { LooksAhead: true };

    private static Tensor Read(
        Tensor input, MemoryState state, Tensor skip, Func<long, MemoryState> newState, Func<Tensor, MemoryState, Tensor> read, bool inOneCall, bool last = false)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(state);
        long[] shape = input.shape;
        if (shape.Length < 2) throw new ArgumentException($"The input is [{string.Join(", ", shape)}]; expected rows of tokens, [B, T, ...].", nameof(input));
        long B = shape[0], T = shape[1];
        Check(skip, B, T);
        long[][] counting = Counting(skip, B, T);
        // The shortest first: rows that have ended stand before those that go on.
        int[] rows = [.. Enumerable.Range(0, (int)B).OrderBy(row => counting[row].Length)];
        long total = counting.Sum(places => (long)places.Length);
        // A batch that masks its idle rows mostly has none.
        if (total == B * T && state.Padding is null) return read(input, state);
        // To read a token in a row for nothing takes less than to move rows.
        if (T == 1 && total > 0 && state.Padding is null && !is_grad_enabled()) return ReadToken(input, state, skip, [.. rows.TakeWhile(row => counting[row].Length == 0)], read);

        using var scope = NewDisposeScope();
        using var advance = state.Begin(B, T);
        if (state.Padding is not null)
            throw new ArgumentException("Tokens were marked as padding, and some are to be skipped: name all that are not there in skip.", nameof(skip));
        if (last && total == 0)
            throw new ArgumentException($"skip leaves no token in any of {B} rows, so there are no logits after a last one; leave the call out.", nameof(skip));
        Tensor flat = input.flatten(0, 1);
        var outputs = new List<Tensor>();
        var written = new List<long>();
        var ended = new List<MemoryState>();
        MemoryState? going = null;
        try
        {
            for (int first = 0, done = 0; first < rows.Length;)
            {
                int length = counting[rows[first]].Length, beyond = first;
                while (beyond < rows.Length && counting[rows[beyond]].Length == length) beyond++;
                if (inOneCall) going = Begin(rows[first..beyond]);
                else going = going is null ? Begin(rows) : Last(going, rows.Length - first);
                long[] places = [.. rows.Skip(first).Take((int)going.Batch).SelectMany(row => counting[row][done..length])];
                // A call without tokens only where nothing else tells what the outputs are.
                if (places.Length > 0 || total == 0)
                {
                    Tensor output = read(flat.index_select(0, Index(places)).view([going.Batch, length - done, .. shape[2..]]), going);
                    outputs.Add(last ? output.narrow(0, 0, beyond - first) : output.flatten(0, 1));
                    written.AddRange(last ? rows[first..beyond].Select(row => (long)row) : places);
                    if (going.AuxiliaryLoss is { } loss) state.AddLoss(loss * (places.Length / (double)total));
                }

                ended.Add(Rows(going, [.. Enumerable.Range(0, beyond - first).Select(row => (long)row)]));
                ended[^1].Trim();
                (first, done) = (beyond, inOneCall ? 0 : length);
            }

            state.PutRows(ended, Index([.. Enumerable.Range(0, rows.Length).Select(row => (long)Array.IndexOf(rows, row))]));
            Tensor all = cat(outputs, 0);
            long[] rowsAndTokens = last ? [B] : [B, T];
            advance.Commit([.. state.RowPositions.Select((position, row) => position + counting[row].Length)]);
            return all.new_zeros([last ? B : B * T, .. all.shape[1..]]).index_copy(0, Index([.. written]), all)
                .view([.. rowsAndTokens, .. all.shape[1..]]).MoveToOuterDisposeScope();
        }
        finally
        {
            going?.Dispose();
            ended.ForEach(part => part.Dispose());
        }

        Tensor Index(long[] places) => tensor(places, device: input.device);

        MemoryState Rows(MemoryState of, long[] numbers)
        {
            MemoryState part = newState(numbers.Length);
            part.CopyRows(of, Index(numbers));
            return part;
        }

        MemoryState Begin(int[] numbers)
        {
            going?.Dispose();
            return Rows(state, [.. numbers.Select(row => (long)row)]);
        }

        // The rows of a part that have not ended, in place of the part.
        MemoryState Last(MemoryState of, int count)
        {
            using (of)
                return Rows(of, [.. Enumerable.Range((int)of.Batch - count, count).Select(row => (long)row)]);
        }
    }

    // Reads a token in every row and leaves some rows as they were: what stands there is not read.
    private static Tensor ReadToken(Tensor input, MemoryState state, Tensor skip, int[] idle, Func<Tensor, MemoryState, Tensor> read)
    {
        using var scope = NewDisposeScope();
        skip = skip.to(input.device);
        state.MarkIdle(idle);
        try
        {
            return Zeroed(read(Zeroed(input), state)).MoveToOuterDisposeScope();
        }
        finally
        {
            state.MarkIdle(null);
        }

        Tensor Zeroed(Tensor x) => x.masked_fill(skip.view([skip.shape[0], .. Enumerable.Repeat(1L, (int)x.dim() - 1)]), 0);
    }

    private static void Check(Tensor skip, long B, long T)
    {
        ArgumentNullException.ThrowIfNull(skip);
        if (skip.dtype != ScalarType.Bool || !skip.shape.SequenceEqual([B, T]))
            throw new ArgumentException($"skip is {skip.dtype} [{string.Join(", ", skip.shape)}]; expected Bool [{B}, {T}], one for each token.", nameof(skip));
    }

    // Of every row the tokens that count, as places in the batch's tokens.
    private static long[][] Counting(Tensor skip, long B, long T)
    {
        using var scope = NewDisposeScope();
        bool[] skipped = skip.cpu().contiguous().view(-1).data<bool>().ToArray();
        return [.. Enumerable.Range(0, (int)B).Select(row => Enumerable.Range(0, (int)T).Select(token => (row * T) + token).Where(place => !skipped[place]).ToArray())];
    }
}
