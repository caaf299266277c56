using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class DocumentBatchesTests
{
    private const int Window = 5;

    // Documents of 1 to 17 bytes, each of letters of its own.
    private static TokenizedText Text(int documents = 13) => TokenizedText.Encode(
        Enumerable.Range(0, documents).Select(i => new TextDocument($"{i}", new string((char)('A' + i), 1 + i * 7 % 17))), new ByteTokenizer());

    [Fact]
    public void AnEpochDealsEveryDocumentOnceAndInOrder()
    {
        var text = Text();
        var batches = DocumentBatches.ForTraining(text, 3, Window, seed: 4);
        var reading = new List<int>[3];
        var read = new List<int[]>();
        while (read.Count < 2 * text.Documents.Count)
        {
            var batch = batches.Next()!;
            for (int row = 0; row < 3; row++)
            {
                if (batch.Starts.Contains(row))
                {
                    if (reading[row] is { } done) read.Add([.. done]);
                    reading[row] = [];
                }
                long[] inputs = batch.Inputs[(row * Window)..((row + 1) * Window)], targets = batch.Targets[(row * Window)..((row + 1) * Window)];
                int count = targets.TakeWhile(t => t != DocumentBatches.Ignored).Count();
                Assert.True(count > 0);
                Assert.All(targets.Skip(count), t => Assert.Equal(DocumentBatches.Ignored, t));
                Assert.Equal(reading[row].Count, batch.Positions[row]);
                for (int i = 0; i < count; i++)
                {
                    Assert.Equal(reading[row].Count == 0 ? text.StartToken : reading[row][^1], inputs[i]);
                    reading[row].Add((int)targets[i]);
                }
            }
            Assert.Equal(batch.Targets.Count(t => t != DocumentBatches.Ignored), batch.Tokens);
            Assert.Equal(batch.Tokens, batch.Bytes);
        }

        // A document begun before the epoch's end may be finished in the next one: at most one a row.
        var counts = text.Documents.Select(d => read.Count(r => r.SequenceEqual(d))).ToList();
        Assert.Equal(read.Count, counts.Sum());
        Assert.All(counts, c => Assert.InRange(c, 1, 3));
        Assert.Equal(2, counts.Average(), 0.3);
    }

    [Fact]
    public void DealtDocumentsAreAPermutationThatTheSeedChooses()
    {
        Assert.Equal(Enumerable.Range(0, 13), Dealt(1).Order());
        Assert.Equal(Dealt(1), Dealt(1));
        Assert.NotEqual(Dealt(1), Dealt(2));

        static List<int> Dealt(long seed)
        {
            var batches = DocumentBatches.ForTraining(Text(), 1, 32, seed);
            return [.. Enumerable.Range(0, 13).Select(_ => { batches.Next(); return batches.Cursor.Rows[0].Document; })];
        }
    }

    [Fact]
    public void EpochsHaveOrdersOfTheirOwn()
    {
        var batches = DocumentBatches.ForTraining(Text(), 1, 32, seed: 1);
        List<int> Epoch() => [.. Enumerable.Range(0, 13).Select(_ => { batches.Next(); return batches.Cursor.Rows[0].Document; })];

        List<int> first = Epoch(), second = Epoch();
        Assert.Equal(first.Order(), second.Order());
        Assert.NotEqual(first, second);
        Assert.Equal(1, batches.Cursor.Epoch);
    }

    [Fact]
    public void ACursorGoesOnWhereItWasTaken()
    {
        var text = Text();
        var one = DocumentBatches.ForTraining(text, 3, Window, seed: 9);
        for (int i = 0; i < 11; i++) one.Next();
        var other = DocumentBatches.ForTraining(text, 3, Window, seed: 9);
        other.Cursor = one.Cursor;

        for (int i = 0; i < 20; i++)
        {
            Batch a = one.Next()!, b = other.Next()!;
            Assert.Equal(a.Inputs, b.Inputs);
            Assert.Equal(a.Targets, b.Targets);
            Assert.Equal(a.Starts, b.Starts);
        }
    }

    [Fact]
    public void ACursorOfAnotherTextIsRefused()
    {
        var batches = DocumentBatches.ForTraining(Text(), 2, Window, seed: 9);

        Assert.Throws<InvalidDataException>(() => batches.Cursor = new BatchCursor(0, 99, [new(0, 0), new(0, 0)]));
        Assert.Throws<InvalidDataException>(() => batches.Cursor = new BatchCursor(0, 1, [new(0, 0)]));
        Assert.Throws<InvalidDataException>(() => batches.Cursor = new BatchCursor(0, 1, [new(0, 0), new(1, 1000)]));
    }

    [Fact]
    public void EvaluationReadsEverythingOnceThenEnds()
    {
        var text = Text();
        var batches = DocumentBatches.ForEvaluation(text, 4, Window);
        long tokens = 0;
        while (batches.Next() is { } batch) tokens += batch.Tokens;

        Assert.Equal(text.Tokens, tokens);
        Assert.Null(batches.Next());
    }

    [Fact]
    public void ATextShorterThanABatchIsAnError()
    {
        var error = Assert.Throws<TrainingException>(() => DocumentBatches.ForTraining(Text(2), 8, 512, 1));

        Assert.Contains($"{Text(2).Tokens} tokens", error.Message);
        Assert.Contains("8 rows of 512", error.Message);
    }

    [Fact]
    public void ShortDocumentsAreBundled()
    {
        TextDocument[] documents = [new("a", "aaa\n"), new("b", "b\n"), new("c", new string('c', 20)), new("d", "d")];

        var text = TokenizedText.Encode(documents, new ByteTokenizer(), bundleTokens: 6);

        Assert.Equal(["aaa\n\nb\n", new string('c', 20), "d"], text.Documents.Select(d => new ByteTokenizer().Decode(d)));
        Assert.Equal(text.Documents.Sum(d => d.Length), text.Bytes);
        Assert.Equal((int)'\n', text.StartToken);
    }

    [Fact]
    public void LongDocumentsAreCutIntoSectionsAfterLines()
    {
        TextDocument[] documents = [new("a", "aaa\nbbbb\ncccccc\nd"), new("b", new string('b', 25)), new("c", "cc")];

        var text = TokenizedText.Encode(documents, new ByteTokenizer(), sectionTokens: 10);

        Assert.Equal(["aaa\nbbbb\n", "cccccc\nd", new string('b', 10), new string('b', 10), "bbbbb", "cc"],
            text.Documents.Select(d => new ByteTokenizer().Decode(d)));
    }
}
