using System.Runtime.InteropServices;
using System.Text;

namespace Memory.Gen.Training.Tokenizers;

/// <summary>Learns byte-pair merges from text.</summary>
public static class BytePairTrainer
{
    /// <summary>
    /// Learns a vocabulary: the 256 bytes (token = byte), then the most frequent pair of neighbours inside a word becomes a token, over
    /// and over. Among equally frequent pairs the one with the lower tokens wins, so equal texts give equal vocabularies.
    /// </summary>
    /// <param name="texts">The text to learn from.</param>
    /// <param name="vocabSize">Tokens wanted, at least 256. There are fewer where no pair is left that occurs twice.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is smaller than 256.</exception>
    public static BytePairTokenizer Train(IEnumerable<string> texts, int vocabSize)
    {
        if (vocabSize < 256) throw new ArgumentOutOfRangeException(nameof(vocabSize), vocabSize, "A byte-level vocabulary has at least 256 tokens.");
        return new Learner(CountWords(texts)).Learn(vocabSize);
    }

    private static Dictionary<string, int> CountWords(IEnumerable<string> texts)
    {
        var words = new Dictionary<string, int>(StringComparer.Ordinal);
        var known = words.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string text in texts)
            foreach (var match in BytePairTokenizer.Words.EnumerateMatches(text))
                CollectionsMarshal.GetValueRefOrAddDefault(known, text.AsSpan(match.Index, match.Length), out _)++;
        return words;
    }

    private sealed class Learner
    {
        private readonly int[][] words;
        private readonly int[] frequencies;
        private readonly Dictionary<long, long> counts = [];
        private readonly Dictionary<long, HashSet<int>> wordsWith = [];

        // Counts only fall after a pair was queued, unless it is queued again: an entry whose count is out of date is put back corrected.
        private readonly PriorityQueue<long, (long Count, long Pair)> queue = new(Comparer<(long Count, long Pair)>.Create(
            (a, b) => a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Pair.CompareTo(b.Pair)));

        public Learner(Dictionary<string, int> wordCounts)
        {
            words = [.. wordCounts.Keys.Select(w => Array.ConvertAll(Encoding.UTF8.GetBytes(w), b => (int)b))];
            frequencies = [.. wordCounts.Values];
            for (int word = 0; word < words.Length; word++)
                Count(word, +1);
            foreach (var (pair, count) in counts)
                queue.Enqueue(pair, (count, pair));
        }

        public BytePairTokenizer Learn(int vocabSize)
        {
            var tokens = Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).ToList();
            var merges = new List<(int Left, int Right, int Merged)>();
            var known = new Dictionary<string, int>(StringComparer.Ordinal);
            while (tokens.Count < vocabSize && queue.TryDequeue(out long pair, out var priority))
            {
                long count = counts.GetValueOrDefault(pair);
                if (count < 2) continue;
                if (count != priority.Count)
                {
                    queue.Enqueue(pair, (count, pair));
                    continue;
                }
                int left = (int)(pair >> 32), right = (int)pair;
                byte[] bytes = [.. tokens[left], .. tokens[right]];

                // Two merges can meet in the same bytes (a + bc, ab + c): they share one token.
                if (known.TryAdd(Convert.ToHexString(bytes), tokens.Count)) tokens.Add(bytes);
                int merged = known[Convert.ToHexString(bytes)];
                merges.Add((left, right, merged));
                Merge(pair, left, right, merged);
            }
            return new BytePairTokenizer([.. tokens], [.. merges]);
        }

        private void Merge(long pair, int left, int right, int merged)
        {
            var changed = new HashSet<long>();
            foreach (int word in wordsWith[pair])
            {
                Count(word, -1);
                words[word] = Replace(words[word], left, right, merged);
                Count(word, +1);
                for (int i = 0; i + 1 < words[word].Length; i++)
                    if (words[word][i] == merged || words[word][i + 1] == merged)
                        changed.Add(BytePairTokenizer.Pair(words[word][i], words[word][i + 1]));
            }
            counts.Remove(pair);
            wordsWith.Remove(pair);
            foreach (long p in changed) queue.Enqueue(p, (counts[p], p));
        }

        private void Count(int word, int sign)
        {
            int[] symbols = words[word];
            for (int i = 0; i + 1 < symbols.Length; i++)
            {
                long pair = BytePairTokenizer.Pair(symbols[i], symbols[i + 1]);
                CollectionsMarshal.GetValueRefOrAddDefault(counts, pair, out _) += sign * (long)frequencies[word];
                if (sign < 0) continue;
                ref var holders = ref CollectionsMarshal.GetValueRefOrAddDefault(wordsWith, pair, out _);
                (holders ??= []).Add(word);
            }
        }

        private static int[] Replace(int[] symbols, int left, int right, int merged)
        {
            var result = new List<int>(symbols.Length);
            for (int i = 0; i < symbols.Length; i++)
            {
                bool here = symbols[i] == left && i + 1 < symbols.Length && symbols[i + 1] == right;
                result.Add(here ? merged : symbols[i]);
                if (here) i++;
            }
            return [.. result];
        }
    }
}
