using System.Text;
using Samples;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>What the samples show of times and words.</summary>
public class TerminalTests
{
    [Theory]
    [InlineData(59, "0:59"), InlineData(61, "1:01"), InlineData(3599, "59:59"), InlineData(3600, "1:00:00"), InlineData((26 * 3600) + 125, "26:02:05")]
    public void ATimeHasItsHours(int seconds, string shown) => Assert.Equal(shown, Terminal.Time(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void WhatATerminalWasToShowIsDroppedWhenItIsClosed()
    {
        using var writer = new LastingWriter(new ClosedWriter());
        writer.Write('a');
        writer.Write("text");
        writer.Write(['a', 'b'], 0, 2);
        writer.WriteLine("line");
        writer.Flush();
    }

    [Theory]
    [InlineData("artifacts/train", "artifacts/train"), InlineData("my run", "'my run'"), InlineData("it's", "'it'\\''s'"), InlineData("$HOME", "'$HOME'"), InlineData("", "''")]
    public void AWordIsOneWordToAShell(string text, string word) => Assert.Equal(word, Terminal.Word(text));

    private sealed class ClosedWriter : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => throw new IOException();

        public override void Flush() => throw new IOException();
    }
}
