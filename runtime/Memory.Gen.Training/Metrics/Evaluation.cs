using Memory.Gen.Runtime;
using Memory.Gen.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Training.Metrics;

/// <summary>How held-out text is read.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Tokens of a row read at once; the result does not depend on it.</summary>
    public int Window { get; init; } = 512;

    /// <summary>Most documents read side by side; the result does not depend on it.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Measure an excerpt of about this many tokens (<see cref="TokenizedText.Excerpt"/>); null measures everything.</summary>
    public long? MostTokens { get; init; }

    /// <summary>Told the share that has been read, 0 to 1.</summary>
    public Action<double>? Progress { get; init; }
}

/// <summary>The cost of those bytes that a model predicted with a certain amount of context.</summary>
/// <param name="From">Fewest tokens of the document read before.</param>
/// <param name="To">Most tokens of the document read before.</param>
/// <param name="BitsPerByte">Their cost.</param>
/// <param name="Bytes">How many bytes.</param>
public sealed record ContextBucket(long From, long To, double BitsPerByte, long Bytes);

/// <summary>What held-out text costs under a model: the sum of <c>-log2 p</c> of its tokens, a byte of text.</summary>
/// <param name="BitsPerByte">Bits a byte.</param>
/// <param name="Bytes">Bytes of text.</param>
/// <param name="Tokens">Tokens predicted.</param>
/// <param name="ByContext">The same by the number of tokens read before: 0 to 63, 64 to 127, 128 to 255, and so on.</param>
public sealed record Evaluation(double BitsPerByte, long Bytes, long Tokens, IReadOnlyList<ContextBucket> ByContext)
{
    private const int FirstBucket = 64;

    /// <summary>
    /// Reads documents from their beginning to their end, the state carried along within a document, and adds up what every token costs;
    /// a document's first token is predicted from <see cref="TokenizedText.StartToken"/>.
    /// </summary>
    /// <param name="model">A model whose vocabulary holds the text's tokens.</param>
    /// <param name="text">Held-out text.</param>
    /// <param name="options">How to read; null takes the defaults.</param>
    /// <exception cref="TrainingException">The text is empty.</exception>
    public static Evaluation Measure(IMemoryModel model, TokenizedText text, EvaluationOptions? options = null)
    {
        options ??= new EvaluationOptions();
        text = text.Excerpt(options.MostTokens ?? text.Tokens);
        if (text.Tokens == 0) throw new TrainingException("There is no held-out text to measure; give a longer text.");

        // More rows than this would wait for the longest document.
        int rows = (int)Math.Clamp(text.Tokens / text.Documents.Max(d => (long)d.Length), 1, options.Batch);
        var batches = DocumentBatches.ForEvaluation(text, rows, options.Window);
        var module = (nn.Module)model;
        bool training = module.training;
        module.eval();
        using var quiet = no_grad();
        using var state = model.NewState(rows);
        var bits = new double[32];
        var bytes = new long[32];
        long tokens = 0;
        while (batches.Next() is { } batch)
        {
            double[] costs = Costs(model, state, batch, rows, options.Window);
            for (int at = 0; at < costs.Length; at++)
            {
                if (batch.Targets[at] == DocumentBatches.Ignored) continue;
                int bucket = BucketOf(batch.Positions[at / options.Window] + at % options.Window);
                bits[bucket] += costs[at] / Math.Log(2);
                bytes[bucket] += text.ByteLengths[(int)batch.Targets[at]];
            }
            tokens += batch.Tokens;
            options.Progress?.Invoke(tokens / (double)text.Tokens);
        }
        module.train(training);
        var buckets = Enumerable.Range(0, bits.Length).Where(b => bytes[b] > 0)
            .Select(b => new ContextBucket(b == 0 ? 0 : (long)FirstBucket << (b - 1), ((long)FirstBucket << b) - 1, bits[b] / bytes[b], bytes[b])).ToList();
        return new Evaluation(bits.Sum() / bytes.Sum(), bytes.Sum(), tokens, buckets);
    }

    private static double[] Costs(IMemoryModel model, MemoryState state, Batch batch, int rows, int window)
    {
        using var scope = NewDisposeScope();
        if (batch.Starts.Length > 0) state.Reset(batch.Starts);
        Tensor logits = model.Prefill(tensor(batch.Inputs, device: state.Device).view(rows, window), state);
        Tensor targets = tensor(batch.Targets, device: state.Device);
        Tensor costs = nn.functional.cross_entropy(logits.view(targets.shape[0], -1), targets, null, DocumentBatches.Ignored, nn.Reduction.None);
        return costs.to(ScalarType.Float64).cpu().data<double>().ToArray();
    }

    private static int BucketOf(long context)
    {
        int bucket = 0;
        for (long last = FirstBucket - 1; context > last; last = 2 * last + 1) bucket++;
        return bucket;
    }
}
