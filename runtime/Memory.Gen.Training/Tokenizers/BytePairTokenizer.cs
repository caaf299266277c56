using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Memory.Gen.Training.Tokenizers;

/// <summary>
/// Byte-level byte-pair encoding (Sennrich et al. 2016; byte level as in GPT-2): a text is cut into words, a word's bytes are merged pair
/// by pair in the order in which the merges were learnt. Every text round-trips, because every byte is a token.
/// </summary>
public sealed partial class BytePairTokenizer : ITokenizer
{
    // A word that is met again costs one look-up; words beyond this many, or this long, are encoded each time.
    private const int CachedWords = 1 << 18, CachedLength = 64;

    private readonly byte[][] tokens;
    private readonly (int Left, int Right, int Merged)[] merges;
    private readonly Dictionary<long, (int Rank, int Merged)> ranks;
    private readonly int[] byteTokens = new int[256];
    private readonly Dictionary<string, int[]> cache = new(StringComparer.Ordinal);

    /// <param name="tokens">The bytes of every token; each single byte is among them.</param>
    /// <param name="merges">Pairs of tokens and what they become, first learnt first.</param>
    internal BytePairTokenizer(byte[][] tokens, (int Left, int Right, int Merged)[] merges)
    {
        this.tokens = tokens;
        this.merges = merges;
        ranks = new Dictionary<long, (int, int)>(merges.Length);
        for (int rank = 0; rank < merges.Length; rank++)
            ranks[Pair(merges[rank].Left, merges[rank].Right)] = (rank, merges[rank].Merged);
        for (int token = 0; token < tokens.Length; token++)
            if (tokens[token].Length == 1) byteTokens[tokens[token][0]] = token;
    }

    /// <inheritdoc/>
    public int VocabSize => tokens.Length;

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Bytes(long token) => token >= 0 && token < tokens.Length ? tokens[token]
        : throw new ArgumentOutOfRangeException(nameof(token), token, $"This vocabulary's tokens lie between 0 and {tokens.Length - 1}.");

    /// <inheritdoc/>
    public int[] Encode(ReadOnlySpan<char> text)
    {
        var result = new List<int>(text.Length / 3 + 8);
        var known = cache.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var match in Words.EnumerateMatches(text))
        {
            var word = text.Slice(match.Index, match.Length);
            if (!known.TryGetValue(word, out int[]? encoded))
            {
                encoded = EncodeWord(word);
                if (word.Length <= CachedLength && cache.Count < CachedWords) known[word] = encoded;
            }
            CollectionsMarshal.SetCount(result, result.Count + encoded.Length);
            encoded.CopyTo(CollectionsMarshal.AsSpan(result)[^encoded.Length..]);
        }
        return [.. result];
    }

    /// <inheritdoc/>
    public void Save(string folder) => VocabularyFiles.Write(folder, tokens, merges);

    /// <summary>
    /// Where words end, before any merge: contractions, letters, digits, other signs, each with one space before it; other white space
    /// (GPT-2's pattern). The alternatives cover every character.
    /// </summary>
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    internal static partial Regex Words { get; }

    internal static long Pair(int left, int right) => (long)left << 32 | (uint)right;

    // Merges the pair learnt first, leftmost first, until none is left. A queue of candidate pairs over a linked list of positions keeps
    // this n log n; a candidate whose ends have changed since it was queued is stale and skipped.
    private int[] EncodeWord(ReadOnlySpan<char> word)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(word)];
        Encoding.UTF8.GetBytes(word, bytes);
        int n = bytes.Length;
        var symbols = Array.ConvertAll(bytes, b => byteTokens[b]);
        int[] next = new int[n], previous = new int[n];
        for (int i = 0; i < n; i++) (previous[i], next[i]) = (i - 1, i + 1);
        var queue = new PriorityQueue<(int Left, int Right, long Pair), (int Rank, int Position)>();
        for (int i = 0; i + 1 < n; i++) Enqueue(i, i + 1);

        while (queue.TryDequeue(out var candidate, out _))
        {
            var (left, right, pair) = candidate;
            if (symbols[left] < 0 || next[left] != right || Pair(symbols[left], symbols[right]) != pair) continue;
            symbols[left] = ranks[pair].Merged;
            symbols[right] = -1;
            next[left] = next[right];
            if (next[left] < n)
            {
                previous[next[left]] = left;
                Enqueue(left, next[left]);
            }
            if (previous[left] >= 0) Enqueue(previous[left], left);
        }
        return Array.FindAll(symbols, s => s >= 0);

        void Enqueue(int left, int right)
        {
            long pair = Pair(symbols[left], symbols[right]);
            if (ranks.TryGetValue(pair, out var merge)) queue.Enqueue((left, right, pair), (merge.Rank, left));
        }
    }
}
