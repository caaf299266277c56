using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Metrics;
using Memory.Gen.Training.Tokenizers;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class EvaluationTests
{
    private static TokenizedText Text(ITokenizer tokenizer, params string[] texts) =>
        TokenizedText.Encode(texts.Select((t, i) => new TextDocument($"{i}", t)), tokenizer);

    [Fact]
    public void AUniformModelCostsTheLogarithmOfItsVocabulary()
    {
        var tokenizer = BytePairTrainer.Train(["the thin thing, the thick thing"], 270);
        var text = Text(tokenizer, "the thing", "thin ü");

        var evaluation = Evaluation.Measure(new PositionModel(0, vocabSize: 270), text);

        Assert.Equal(16, evaluation.Bytes);
        Assert.True(text.Tokens < 16);
        Assert.Equal(Math.Log2(270) * text.Tokens / 16, evaluation.BitsPerByte, 9);
    }

    [Theory]
    [InlineData(512, 8)]
    [InlineData(7, 1)]
    [InlineData(64, 2)]
    public void StateIsCarriedWithinADocumentAndResetBetween(int window, int batch)
    {
        int[] lengths = [150, 3, 70];
        var text = Text(new ByteTokenizer(), [.. lengths.Select(n => new string('a', n))]);

        var evaluation = Evaluation.Measure(new PositionModel(0.03), text, new EvaluationOptions { Window = window, Batch = batch });

        double Cost(int read) => Math.Log2(1 + 255 * Math.Exp(-0.03 * read));
        Assert.Equal(lengths.Sum(n => Enumerable.Range(0, n).Sum(Cost)) / lengths.Sum(), evaluation.BitsPerByte, 9);
        Assert.Equal([(0, 63), (64, 127), (128, 255)], evaluation.ByContext.Select(b => (b.From, b.To)));
        Assert.Equal([64 + 3 + 64, 64 + 6, 22], evaluation.ByContext.Select(b => b.Bytes));
        Assert.Equal(Enumerable.Range(128, 22).Average(Cost), evaluation.ByContext[2].BitsPerByte, 9);
    }

    [Fact]
    public void AnExcerptKeepsTheMixOfDocuments()
    {
        var text = Text(new ByteTokenizer(), new string('a', 500), new string('b', 100));
        double share = 0;

        var evaluation = Evaluation.Measure(new PositionModel(0), text, new EvaluationOptions { Window = 7, MostTokens = 60, Progress = s => share = s });

        Assert.Equal([50, 10], text.Excerpt(60).Documents.Select(d => d.Length));
        Assert.Same(text, text.Excerpt(600));
        Assert.Equal(60, evaluation.Tokens);
        Assert.Equal(1, share);
    }

    [Fact]
    public void NothingToMeasureIsAnError() =>
        Assert.Throws<TrainingException>(() => Evaluation.Measure(new PositionModel(0), Text(new ByteTokenizer())));
}
