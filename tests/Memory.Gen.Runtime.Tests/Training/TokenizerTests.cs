using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training.Tokenizers;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class TokenizerTests
{
    private const string Sample = "The theme of the thesis: there they thought, then they threw.\nThe 12 thin things, 3 through 7; don't thank them, they're thick! Straße, 東京 → 東京都.\n";

    [Fact]
    public void MergesAreLearntByFrequencyThenByTheLowerTokens()
    {
        // Words: "ab" twice, " ab" three times, " cd" twice. Pairs: a+b 5, ' '+a 3, c+d 2, ' '+c 2.
        // a+b (256), then ' '+ab (257); of the two pairs that occur twice ' '+c is the lower one (258), then ' c'+d (259).
        var tokenizer = BytePairTrainer.Train(["ab ab ab cd", "ab ab cd"], 300);

        Assert.Equal(["ab", " ab", " c", " cd"], Enumerable.Range(256, tokenizer.VocabSize - 256).Select(t => tokenizer.Decode([t])));
        Assert.Equal([256, 257, 259, 32, (int)'x'], tokenizer.Encode("ab ab cd x"));
    }

    [Fact]
    public void EncodingAppliesTheMergesInTheOrderLearnt()
    {
        var tokenizer = BytePairTrainer.Train([Sample], 320);
        using var folder = new TemporaryFolder();
        tokenizer.Save(folder.Path);
        var merges = File.ReadAllLines(folder.File("merges.txt")).Skip(1).Select(l => l.Split(' ')).ToList();

        // The definition, on printable ASCII where the files' characters are the bytes: each merge in turn, left to right.
        foreach (string word in new[] { "thethethe", "thought", "theme", "aaaaaa", new string('t', 200) + "hehe" })
        {
            var parts = word.Select(c => c.ToString()).ToList();
            foreach (var merge in merges)
                for (int i = 0; i + 1 < parts.Count; i++)
                    if (parts[i] == merge[0] && parts[i + 1] == merge[1])
                    {
                        parts[i] += parts[i + 1];
                        parts.RemoveAt(i + 1);
                    }
            Assert.Equal(parts, tokenizer.Encode(word).Select(t => tokenizer.Decode([t])));
        }
    }

    [Fact]
    public void EveryTextRoundTripsAndItsBytesAreAllThere()
    {
        ITokenizer[] tokenizers = [new ByteTokenizer(), BytePairTrainer.Train([Sample], 300)];
        foreach (var tokenizer in tokenizers)
            Prop.ForAll<string>(text =>
            {
                string valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? ""));
                int[] tokens = tokenizer.Encode(valid);
                return tokenizer.Decode(tokens) == valid
                    && tokens.Sum(t => tokenizer.ByteLength(t)) == Encoding.UTF8.GetByteCount(valid);
            }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void SavedVocabularyEncodesAlike()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = BytePairTrainer.Train([Sample], 330);
        tokenizer.Save(folder.Path);

        var loaded = VocabularyFiles.Read(folder.Path);

        Assert.Equal(tokenizer.VocabSize, loaded.VocabSize);
        Assert.Equal(tokenizer.Encode(Sample), loaded.Encode(Sample));
        Assert.Contains("\"Ġ", File.ReadAllText(folder.File("vocab.json")));
    }

    [Fact]
    public void SavedByteTokenizerComesBackAsOne()
    {
        using var folder = new TemporaryFolder();
        new ByteTokenizer().Save(folder.Path);

        Assert.IsType<ByteTokenizer>(VocabularyFiles.Read(folder.Path));
    }

    [Fact]
    public void StreamedTextNeverBreaksACharacter()
    {
        var tokenizer = new ByteTokenizer();
        long[] tokens = [.. tokenizer.Encode("a東🙂").Select(t => (long)t)];

        Assert.Equal(["a", "", "", "東", "", "", "", "🙂"], tokenizer.DecodeStream(tokens));
        Assert.Equal("a\uFFFD", tokenizer.Decode(tokens.Take(3)));
    }

    [Theory]
    [InlineData("vocab.json", "[1]", "no JSON object")]
    [InlineData("vocab.json", "{", "is not JSON")]
    [InlineData("vocab.json", "{\"a\": 0}", "1 of the 256 bytes")]
    [InlineData("vocab.json", "{\"a\": 7}", "numbered 0 to 0")]
    [InlineData("merges.txt", "#version: 0.2\nq x\n", "line 2")]
    public void ADamagedVocabularyIsRefused(string file, string content, string reason)
    {
        using var folder = new TemporaryFolder();
        BytePairTrainer.Train([Sample], 300).Save(folder.Path);
        File.WriteAllText(folder.File(file), content);

        var error = Assert.Throws<InvalidDataException>(() => VocabularyFiles.Read(folder.Path));

        Assert.Contains(file, error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void TokensOutsideTheVocabularyAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ByteTokenizer().Bytes(256));
        Assert.Throws<ArgumentOutOfRangeException>(() => BytePairTrainer.Train(["aa aa"], 257).Bytes(-1));
    }
}
