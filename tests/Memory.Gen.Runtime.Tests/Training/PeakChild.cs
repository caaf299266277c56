using Memory.Gen;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;

namespace Memory.Gen.Runtime.Tests.Training;

[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 192)]
[SlidingAttention(Heads = 4)]
[RecurrentMemory(SegmentTokens = 114, MemoryTokens = 1, BackpropSegments = 1)]
public sealed partial class LongTextRecurrent;

[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 192)]
[TitansMemory(TitansVariant.Context, Heads = 4, Window = 112, BackpropSegments = 1)]
public sealed partial class LongTextContext;

/// <summary>
/// A process that trains on one row of two segments, then on many rows of 8, then on as many of 64, and writes the most memory it has
/// had after each.
/// </summary>
internal static class PeakChild
{
    private const int Rows = 16, NewTokens = 112;

    public static int Run(string name)
    {
        foreach (var (rows, segments) in new[] { (1, 2), (Rows, 8), (Rows, 64) })
        {
            var options = new TrainingOptions { Batch = rows, Window = segments * NewTokens, SectionTokens = 0, Steps = 1 };
            Corpus text = Corpus.FromDocuments("long", [.. Enumerable.Range(0, Rows + 1).Select(i => new TextDocument($"{i}", new string((char)('a' + i), (segments * NewTokens) + 1)))]);
            using IDisposable owned = name switch { "hmt" => new LongTextModel(), "rmt" => new LongTextRecurrent(), _ => new LongTextContext() };
            using var trainer = new Trainer((IMemoryModel)owned, text, new ByteTokenizer(), options);
            trainer.Run();
            PeakMemory.Write();
        }

        return 0;
    }
}
