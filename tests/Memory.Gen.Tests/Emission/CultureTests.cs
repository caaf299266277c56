using System.Globalization;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Emission;

/// <summary>What is written and reported does not depend on where the compiler runs.</summary>
public class CultureTests
{
    private static readonly string Source = Declarations.Model(
        "[SlidingAttention(Heads = 4, Window = 64, RotaryBase = 12345.5)]", "VocabSize = 32_000, Dim = 64, Layers = 2");

    private static readonly string[] Sources = [Source, .. Declarations.EveryKind.Select(attributes => Declarations.Model(attributes))];

    [Theory]
    [InlineData("fi-FI")]
    [InlineData("tr-TR")]
    [InlineData("de-DE")]
    public async Task FilesAndMessagesAreTheSameInEveryCulture(string name)
    {
        string wrong = Source.Replace("Heads = 4", "Heads = -4");
        (string[] files, string message) = ([.. Sources.Select(Compile.EmittedFile)], await Message(wrong));
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            // Invariant globalization leaves the names only; separators and signs are what a culture changes here.
            var culture = (CultureInfo)new CultureInfo(name).Clone();
            culture.NumberFormat.NegativeSign = "\u2212";
            culture.NumberFormat.NumberGroupSeparator = "\u00A0";
            culture.NumberFormat.NumberDecimalSeparator = ",";
            CultureInfo.CurrentCulture = culture;
            Assert.Equal(files, Sources.Select(Compile.EmittedFile));
            Assert.Equal(message, await Message(wrong));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void LinesEndWithLineFeeds() => Assert.DoesNotContain('\r', Compile.EmittedFile(Source));

    private static async Task<string> Message(string source) =>
        Assert.Single(await Compile.Diagnostics(Compile.Library(source))).GetMessage(CultureInfo.InvariantCulture);
}
