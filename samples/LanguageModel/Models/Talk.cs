using Memory.Gen.Runtime;
using Memory.Gen.Training.Tokenizers;

namespace LanguageModel.Models;

/// <summary>A text that a person and a model write by turns, line by line.</summary>
/// <param name="model">The model.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="memory">What was read before, in one row; it is disposed with this.</param>
internal sealed class Talk(IMemoryModel model, ITokenizer tokenizer, MemoryState memory) : IDisposable
{
    // Every token that has a line end in it. None is read, so that a line may be taken up in the middle or at its end.
    private readonly long[] lineEnds = [.. Enumerable.Range(0, tokenizer.VocabSize).Where(token => tokenizer.Bytes(token).Span.Contains((byte)'\n')).Select(token => (long)token)];
    private GenerationOptions options = new();
    private (MemoryState Memory, bool AtEnd, string? Line)? before;
    private bool atEnd = true;

    /// <summary>What is remembered.</summary>
    public MemoryState Memory { get; private set; } = memory;

    /// <summary>Tokens that were read.</summary>
    public long Tokens => Memory.Positions.item<long>();

    /// <summary>What the person wrote last; null where it was taken back or forgotten.</summary>
    public string? LastLine => before?.Line;

    /// <summary>Says how tokens are chosen from now on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public void Choose(GenerationOptions chosen)
    {
        _ = model.Generate([0], chosen); // refuses what makes no sense; nothing is read before somebody enumerates
        options = chosen with { StopTokens = lineEnds };
    }

    /// <summary>Reads the beginning of a line and writes it to its end. An empty line goes on with the last one if that was cut short, else with one of the model's own.</summary>
    /// <param name="line">The beginning.</param>
    /// <param name="cancellation">Asks it to stop.</param>
    public void GoOn(string line, CancellationToken cancellation)
    {
        Keep(line);
        atEnd = Continuation.Write(model, tokenizer, line.Length > 0 || atEnd ? "\n" : "", line, options, Memory, cancellation);
        options = options with { Seed = options.Seed + 1 };
    }

    /// <summary>Goes back to before the last line, or before all was forgotten.</summary>
    /// <returns>Whether there was anything to take back.</returns>
    public bool Back()
    {
        if (before is not { } last) return false;
        Memory.Dispose();
        (Memory, atEnd, _) = last;
        before = null;
        return true;
    }

    /// <summary>Begins anew; <see cref="Back"/> remembers again.</summary>
    public void Forget()
    {
        Keep(null);
        Memory.Reset();
        atEnd = true;
    }

    private void Keep(string? line)
    {
        before?.Memory.Dispose();
        before = (Memory.Clone(), atEnd, line);
    }

    public void Dispose()
    {
        Memory.Dispose();
        before?.Memory.Dispose();
    }
}
