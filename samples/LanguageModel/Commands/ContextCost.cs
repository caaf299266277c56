using Memory.Gen.Runtime;
using Memory.Gen.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Commands;

/// <summary>What the same tokens cost after so much of what stands before them.</summary>
/// <param name="Context">Tokens read before the first of them.</param>
/// <param name="Perplexity">e to the mean of a token's -ln p.</param>
/// <param name="BitsPerByte">The sum of -log2 p, a byte of text.</param>
internal sealed record ContextCost(int Context, double Perplexity, double BitsPerByte)
{
    // Tokens of a row that are read at once; no number depends on it.
    private const int Window = 512;

    /// <summary>Pieces of so many tokens, each of one document and none overlapping another, evenly taken from the whole text.</summary>
    public static IReadOnlyList<int[]> Pieces(TokenizedText text, int tokens, int most)
    {
        int[][] all = [.. text.Documents.SelectMany(document => document.Chunk(tokens)).Where(piece => piece.Length == tokens)];
        int count = Math.Min(most, all.Length);
        return [.. Enumerable.Range(0, count).Select(i => all[i * all.Length / count])];
    }

    /// <summary>Asks for the last tokens of every piece, after each of the contexts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="pieces">At least one; each has the tokens of the longest context and those that are asked.</param>
    /// <param name="contexts">How many tokens are read before the first that is asked, each at least 1.</param>
    /// <param name="byteLengths">Bytes of every token.</param>
    /// <param name="progress">Told the share done.</param>
    /// <param name="cancellation">Stops before the next window.</param>
    /// <returns>A cost for each context, in their order; fewer where it was stopped.</returns>
    public static IReadOnlyList<ContextCost> Measure(IMemoryModel model, IReadOnlyList<int[]> pieces, IReadOnlyList<int> contexts, IReadOnlyList<int> byteLengths, Action<double> progress, CancellationToken cancellation = default)
    {
        int asked = pieces[0].Length - contexts.Max(), done = 0, total = contexts.Sum(context => context + asked);
        long bytes = pieces.Sum(piece => piece.TakeLast(asked).Sum(token => (long)byteLengths[token]));
        ((nn.Module)model).eval();
        using var quiet = no_grad();
        var costs = new List<ContextCost>();
        foreach (int context in contexts)
        {
            if (Nats(model, [.. pieces.Select(piece => piece[^(context + asked)..])], context, cancellation) is not { } nats) break;
            progress((done += context + asked) / (double)total);
            costs.Add(new ContextCost(context, Math.Exp(nats / (pieces.Count * (double)asked)), nats / Math.Log(2) / bytes));
        }

        return costs;
    }

    // The last token that is read of a piece is the last but one. Null where it was stopped.
    private static double? Nats(IMemoryModel model, int[][] pieces, int context, CancellationToken cancellation)
    {
        using var state = model.NewState(pieces.Length);
        int read = pieces[0].Length - 1;
        double sum = 0;
        // A window ends where the context does, so that logits are wanted of all its tokens or of none.
        for (int start = 0, length; start < read; start += length)
        {
            if (cancellation.IsCancellationRequested) return null;
            using var scope = NewDisposeScope();
            length = Math.Min(Window, (start < context - 1 ? context - 1 : read) - start);
            Tensor Of(int first) => tensor(pieces.SelectMany(piece => piece.AsSpan(first, length).ToArray()).Select(token => (long)token).ToArray(), device: state.Device).view(pieces.Length, length);
            if (start < context - 1)
            {
                model.Read(Of(start), state);
                continue;
            }

            Tensor logits = model.Prefill(Of(start), state);
            sum += nn.functional.cross_entropy(logits.view(pieces.Length * length, -1), Of(start + 1).view(-1), null, DocumentBatches.Ignored, nn.Reduction.None)
                .to(ScalarType.Float64).sum().item<double>();
        }

        return sum;
    }
}
