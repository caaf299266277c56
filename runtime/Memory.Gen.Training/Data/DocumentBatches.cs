namespace Memory.Gen.Training.Data;

/// <summary>One step's tokens, row after row.</summary>
/// <param name="Inputs">Tokens to read, <c>rows * window</c>; 0 where there are none.</param>
/// <param name="Targets">Tokens to predict, <c>rows * window</c>; <see cref="DocumentBatches.Ignored"/> where there are none.</param>
/// <param name="Starts">Rows that begin a document, whose state must be reset before.</param>
/// <param name="Positions">For each row, how many tokens of its document came before.</param>
/// <param name="Tokens">Tokens to predict.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record Batch(long[] Inputs, long[] Targets, long[] Starts, int[] Positions, int Tokens, int Bytes);

/// <summary>Where a row stands: a document (-1 before the first) and how many of its tokens have been dealt out.</summary>
/// <param name="Document">Index into the text's documents.</param>
/// <param name="Offset">Tokens.</param>
public readonly record struct RowCursor(int Document, int Offset);

/// <summary>Where all rows stand, to go on from later.</summary>
/// <param name="Epoch">Times that all documents have been dealt out.</param>
/// <param name="Dealt">Documents dealt out in this epoch.</param>
/// <param name="Rows">The rows.</param>
public sealed record BatchCursor(long Epoch, int Dealt, IReadOnlyList<RowCursor> Rows);

/// <summary>
/// Deals documents to rows. A row reads its document from beginning to end, a window at a time, then takes the next one; no window crosses
/// from one document to another. In an epoch every document is dealt once, in an order drawn from the seed.
/// </summary>
public sealed class DocumentBatches
{
    /// <summary>The target where nothing is to be predicted.</summary>
    public const long Ignored = -100;

    private readonly TokenizedText text;
    private readonly int window;
    private readonly long? seed;
    private readonly RowCursor[] rows;
    private int[] order;
    private long epoch;
    private int dealt;

    private DocumentBatches(TokenizedText text, int rowCount, int window, long? seed)
    {
        this.text = text;
        this.window = window;
        this.seed = seed;
        rows = new RowCursor[rowCount];
        Array.Fill(rows, new RowCursor(-1, 0));
        order = Order();
    }

    /// <summary>Endless batches, epoch after epoch, each in an order of its own.</summary>
    /// <param name="text">The documents.</param>
    /// <param name="rows">Documents that are read side by side, at least 1.</param>
    /// <param name="window">Tokens of a row in a batch, at least 1.</param>
    /// <param name="seed">Draws the orders.</param>
    /// <exception cref="TrainingException">The text does not fill one batch.</exception>
    public static DocumentBatches ForTraining(TokenizedText text, int rows, int window, long seed)
    {
        if (text.Tokens < (long)rows * window)
            throw new TrainingException($"The training text has {text.Tokens:N0} tokens, less than one step reads, {rows:N0} rows of {window:N0}; give more text, or a smaller batch or length.");
        return new DocumentBatches(text, rows, window, seed);
    }

    /// <summary>Every document once, in its own order.</summary>
    /// <param name="text">The documents.</param>
    /// <param name="rows">Documents that are read side by side, at least 1.</param>
    /// <param name="window">Tokens of a row in a batch, at least 1.</param>
    public static DocumentBatches ForEvaluation(TokenizedText text, int rows, int window) => new(text, rows, window, null);

    /// <summary>Where all rows stand; setting it goes on from there.</summary>
    /// <exception cref="InvalidDataException">The cursor is not one of this text and number of rows.</exception>
    public BatchCursor Cursor
    {
        get => new(epoch, dealt, [.. rows]);
        set
        {
            bool fits = value.Epoch >= 0 && value.Dealt >= 0 && value.Dealt <= text.Documents.Count && value.Rows.Count == rows.Length
                && value.Rows.All(r => r.Document == -1 && r.Offset == 0
                    || r.Document >= 0 && r.Document < text.Documents.Count && r.Offset >= 0 && r.Offset <= text.Documents[r.Document].Length);
            if (!fits) throw new InvalidDataException($"The saved place in the training text does not fit {rows.Length} rows over {text.Documents.Count} documents; resume with the text and options of the first run.");
            (epoch, dealt) = (value.Epoch, value.Dealt);
            value.Rows.ToArray().CopyTo(rows, 0);
            order = Order();
        }
    }

    /// <summary>The next windows, or null where an evaluation has read everything.</summary>
    public Batch? Next()
    {
        var inputs = new long[rows.Length * window];
        var targets = new long[rows.Length * window];
        Array.Fill(targets, Ignored);
        var positions = new int[rows.Length];
        var starts = new List<long>();
        int tokens = 0, bytes = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            if (AtEnd(rows[row]))
            {
                if (!TryDeal(out int next)) continue;
                rows[row] = new RowCursor(next, 0);
                starts.Add(row);
            }
            var (document, offset) = rows[row];
            int[] source = text.Documents[document];
            int count = Math.Min(window, source.Length - offset);
            for (int i = 0, at = row * window; i < count; i++, at++)
            {
                inputs[at] = offset + i == 0 ? text.StartToken : source[offset + i - 1];
                targets[at] = source[offset + i];
                bytes += text.ByteLengths[source[offset + i]];
            }
            positions[row] = offset;
            tokens += count;
            rows[row] = new RowCursor(document, offset + count);
        }
        return tokens == 0 ? null : new Batch(inputs, targets, [.. starts], positions, tokens, bytes);
    }

    private bool AtEnd(RowCursor row) => row.Document < 0 || row.Offset >= text.Documents[row.Document].Length;

    private bool TryDeal(out int document)
    {
        document = -1;
        if (dealt == order.Length)
        {
            if (seed is null) return false;
            epoch++;
            dealt = 0;
            order = Order();
        }
        document = order[dealt++];
        return true;
    }

    private int[] Order()
    {
        var documents = Enumerable.Range(0, text.Documents.Count);
        return seed is { } s ? [.. documents.OrderBy(d => Shuffled((ulong)s, (ulong)epoch, (ulong)d))] : [.. documents];
    }

    private static ulong Shuffled(ulong seed, ulong epoch, ulong document) =>
        RandomNumbers.Mix(RandomNumbers.Mix(RandomNumbers.Mix(seed) + epoch) + document);
}
