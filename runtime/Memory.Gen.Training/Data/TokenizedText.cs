using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Memory.Gen.Training.Tokenizers;

namespace Memory.Gen.Training.Data;

/// <summary>Documents as tokens. Every token of a document is predicted; its first one from <see cref="StartToken"/>.</summary>
public sealed class TokenizedText
{
    private TokenizedText(IReadOnlyList<int[]> documents, int startToken, int[] byteLengths)
    {
        Documents = documents;
        StartToken = startToken;
        ByteLengths = byteLengths;
        Tokens = documents.Sum(d => (long)d.Length);
        Bytes = documents.Sum(d => d.Sum(t => (long)byteLengths[t]));
    }

    /// <summary>Tokens of each document; none is empty.</summary>
    public IReadOnlyList<int[]> Documents { get; }

    /// <summary>What a model reads before a document's first token: the (first) token of a line end.</summary>
    public int StartToken { get; }

    /// <summary>Bytes of every token of the vocabulary.</summary>
    public IReadOnlyList<int> ByteLengths { get; }

    /// <summary>Tokens of all documents.</summary>
    public long Tokens { get; }

    /// <summary>Bytes of all documents.</summary>
    public long Bytes { get; }

    /// <summary>Turns documents into tokens.</summary>
    /// <param name="documents">The documents; empty ones are left out.</param>
    /// <param name="tokenizer">Makes the tokens.</param>
    /// <param name="bundleTokens">Documents that follow each other are joined by a blank line until they have this many tokens, so that batches
    /// of short documents are not mostly padding; 0 joins none.</param>
    /// <param name="sectionTokens">Longer documents are cut into sections of at most this many tokens, after a line where there is one in the
    /// second half; 0 cuts none.</param>
    public static TokenizedText Encode(IEnumerable<TextDocument> documents, ITokenizer tokenizer, int bundleTokens = 0, int sectionTokens = 0)
    {
        int[] separator = tokenizer.Encode("\n");
        var result = new List<int[]>();
        var bundle = new List<int>();
        foreach (var document in documents.Where(d => d.Text.Length > 0))
        {
            if (bundle.Count > 0) bundle.AddRange(separator);
            bundle.AddRange(tokenizer.Encode(document.Text));
            if (bundle.Count >= bundleTokens) Close();
        }
        Close();
        if (sectionTokens > 0)
        {
            bool[] endsLine = [.. Enumerable.Range(0, tokenizer.VocabSize).Select(t => tokenizer.Bytes(t).Span[^1] == '\n')];
            result = [.. result.SelectMany(d => Sections(d, sectionTokens, endsLine))];
        }
        return new TokenizedText(result, separator[0], [.. Enumerable.Range(0, tokenizer.VocabSize).Select(t => tokenizer.ByteLength(t))]);

        void Close()
        {
            if (bundle.Count > 0) result.Add([.. bundle]);
            bundle.Clear();
        }
    }

    private static IEnumerable<int[]> Sections(int[] document, int most, bool[] endsLine)
    {
        int start = 0;
        while (document.Length - start > most)
        {
            int end = start + most;
            while (end > start + most / 2 && !endsLine[document[end - 1]]) end--;
            if (end == start + most / 2) end = start + most;
            yield return document[start..end];
            start = end;
        }
        yield return document[start..];
    }

    /// <summary>The beginning of every document, each shortened by the same factor, so that the mix of documents stays.</summary>
    /// <param name="tokens">About how many tokens to keep; a text that has no more is returned as it is.</param>
    public TokenizedText Excerpt(long tokens)
    {
        if (tokens >= Tokens) return this;
        double share = tokens / (double)Tokens;
        return new TokenizedText([.. Documents.Select(d => d[..(int)Math.Ceiling(share * d.Length)])], StartToken, [.. ByteLengths]);
    }

    /// <summary>
    /// Documents two by two as one, a stretch of each by turns; where one ends, the rest of the other follows. What a stretch goes on
    /// from was read before another document's: a model has to keep both apart, and find the right one again.
    /// </summary>
    /// <param name="stretch">Tokens of a document at a time; 0 returns the text as it is.</param>
    /// <exception cref="ArgumentOutOfRangeException">The stretch is negative.</exception>
    public TokenizedText Interleaved(int stretch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stretch);
        return stretch == 0 ? this : new TokenizedText([.. Documents.Chunk(2).Select(pair => ByTurns(pair, stretch))], StartToken, [.. ByteLengths]);
    }

    private static int[] ByTurns(int[][] documents, int stretch)
    {
        var tokens = new List<int>();
        for (int start = 0; documents.Any(d => d.Length > start); start += stretch)
            foreach (int[] document in documents)
                if (document.Length > start)
                    tokens.AddRange(document.AsSpan(start, Math.Min(stretch, document.Length - start)));
        return [.. tokens];
    }

    /// <summary>A hash of all documents, their borders included, in hexadecimal: the same tokens have the same one.</summary>
    public string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (int[] document in Documents)
        {
            hash.AppendData(BitConverter.GetBytes(document.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(document));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
