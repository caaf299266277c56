using System.Text;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training.Data;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class CorpusTests
{
    [Fact]
    public void DefaultCorpusIsDocumentationWithWholeAssembliesHeldOut()
    {
        var corpus = Corpus.Load();

        double share = corpus.ValidationBytes / (double)(corpus.TrainingBytes + corpus.ValidationBytes);
        Assert.InRange(share, 0.05, 0.10);
        Assert.True(corpus.TrainingBytes > 4_000_000, $"{corpus.TrainingBytes} bytes");
        Assert.Empty(corpus.Training.Select(d => d.Name).Intersect(corpus.Validation.Select(d => d.Name)));
        Assert.DoesNotContain(corpus.Training, d => d.Text.Contains("<see ") || d.Text.Contains('\r') || d.Text.Contains("  "));

        // A type's name may stand on both sides; no sentence does.
        var sentences = corpus.Training.SelectMany(Sentences).ToHashSet();
        Assert.DoesNotContain(corpus.Validation.SelectMany(Sentences), sentences.Contains);

        static IEnumerable<string> Sentences(TextDocument document) =>
            document.Text.Split("\n\n").Select(entry => entry.TrimEnd('\n')).Where(entry => entry.Contains(' ') && !entry.Contains('\n'));
    }

    [Fact]
    public void DocumentationBecomesPlainEnglish()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("Shapes.xml"), """
            <?xml version="1.0"?>
            <doc><assembly><name>Shapes</name></assembly><members>
              <member name="T:Shapes.Circle`1">
                <summary>A circle of <typeparamref name="T" />,
                  see <see cref="M:Shapes.Circle`1.Area(System.Double)" />.</summary>
              </member>
              <member name="M:Shapes.Circle`1.Area(System.Double)">
                <summary><para>The area.</para><para>FADD Zd, Pg</para></summary>
                <param name="radius">The radius &amp; more.</param>
                <returns><see langword="null" /> for none.</returns>
                <exception cref="T:System.Exception">Never.</exception>
              </member>
              <member name="M:Shapes.Circle`1.Again"><summary><para>The area.</para></summary></member>
            </members></doc>
            """);

        var document = Assert.Single(DotnetDocumentation.Read([folder.File("Shapes.xml")]));

        Assert.Equal("Shapes", document.Name);
        Assert.Equal("Circle\nA circle of T, see Circle.Area.\n\nThe area.\nradius: The radius & more.\nReturns: null for none.\n", document.Text);
    }

    [Fact]
    public void HeldOutChoiceDoesNotDependOnOrder()
    {
        var documents = Enumerable.Range(0, 200).Select(i => new TextDocument($"d{i}", new string('x', 50 + i))).ToList();

        var forward = Corpus.FromDocuments("test", documents);
        var backward = Corpus.FromDocuments("test", Enumerable.Reverse(documents));

        Assert.Equal(forward.Validation, backward.Validation);
        Assert.Equal(documents.Count, forward.Training.Count + forward.Validation.Count);
        Assert.InRange(forward.ValidationBytes / (double)documents.Sum(d => d.ByteCount), 0.05, 0.10);
    }

    [Fact]
    public void SingleFileGivesItsEndToValidation()
    {
        using var folder = new TemporaryFolder();
        string text = string.Concat(Enumerable.Range(0, 1000).Select(i => $"line {i} is ü long\n"));
        File.WriteAllText(folder.File("book.txt"), text);

        var corpus = Corpus.Load(folder.File("book.txt"));

        Assert.Equal(text, Assert.Single(corpus.Training).Text + Assert.Single(corpus.Validation).Text);
        Assert.EndsWith("\n", corpus.Training[0].Text);
        Assert.InRange(corpus.ValidationBytes / (double)Encoding.UTF8.GetByteCount(text), 0.05, 0.10);
    }

    [Fact]
    public void FolderSkipsWhatIsNotTextAndNamesIt()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.txt"), string.Join('\n', Enumerable.Range(0, 100)));
        File.WriteAllBytes(folder.File("b.bin"), [1, 0, 2]);
        File.WriteAllText(folder.File("c.txt"), "");

        var corpus = Corpus.Load(folder.Path);

        Assert.Equal(["b.bin is not text (it contains NUL bytes)", "c.txt is empty"], corpus.LeftOut);
        Assert.Equal("a.txt", Assert.Single(corpus.Training).Name);
    }

    [Theory]
    [InlineData(new byte[0], "is empty")]
    [InlineData(new byte[] { 32, 10 }, "is empty")]
    [InlineData(new byte[] { 65, 0, 66 }, "NUL")]
    [InlineData(new byte[] { 65, 0xE9, 66 }, "1 of its 3 bytes")]
    public void AFileThatIsNoTextIsNamedWithTheReason(byte[] content, string reason)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("odd"), content);

        var error = Assert.Throws<InvalidDataException>(() => Corpus.Load(folder.File("odd")));

        Assert.Contains(folder.File("odd"), error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void AFewBadBytesInALongTextDoNotMatter()
    {
        byte[] bytes = [.. Encoding.UTF8.GetBytes(new string('a', 5000)), 0xE9];

        Assert.Equal(new string('a', 5000) + "\uFFFD", TextFiles.Decode(bytes, out _));
    }

    [Fact]
    public void AMissingPathAndAnEmptyFolderAreErrors()
    {
        using var folder = new TemporaryFolder();

        Assert.Contains("does not exist", Assert.Throws<FileNotFoundException>(() => Corpus.Load(folder.File("none"))).Message);
        Assert.Contains("holds no files", Assert.Throws<InvalidDataException>(() => Corpus.Load(folder.Path)).Message);
    }

    [Fact]
    public void TooShortATextCannotBeSplit()
    {
        Assert.Throws<InvalidDataException>(() => Corpus.FromDocuments("test", [new TextDocument("a", "x")]));
    }
}
