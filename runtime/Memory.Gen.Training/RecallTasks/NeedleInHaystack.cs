using System.Text;
using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// A needle in a haystack, in bytes (after the single-needle task of Hsieh et al.: RULER, arXiv 2404.06654): sentences that repeat, beginning
/// anywhere in their cycle, and in them needles like <c>#abc=1234;</c>. At the end one of them is asked for: <c>#abc=</c>, and the four digits
/// are to follow. The right digits are read on (teacher forcing), so each digit counts for itself; a sequence is exact when all four are right.
/// </summary>
public sealed record NeedleInHaystack : RecallTask
{
    private const int KeyLetters = 3, Digits = 4, Needle = 1 + KeyLetters + 1 + Digits + 1, Question = 1 + KeyLetters + 1 + Digits - 1;

    private static readonly byte[] Sentences =
        Encoding.ASCII.GetBytes("The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ");

    /// <summary>Needles in the haystack, of which one is asked for; twice their 10 bytes must fit into it.</summary>
    public int Needles { get; init; } = 1;

    /// <summary>Where the needle that is asked for lies: 0 at the very beginning, 1 right before the question; null anywhere.</summary>
    public double? Depth { get; init; }

    /// <inheritdoc/>
    public override int VocabSize => 256;

    /// <inheritdoc/>
    public override int Context => Length - Question;

    /// <inheritdoc/>
    public override double Chance => 0.1;

    /// <inheritdoc/>
    public override int? Pairs => Needles;

    /// <inheritdoc/>
    public override void Check()
    {
        Require(Needles >= 1, "number of needles", Needles, "at least 1");
        Require(Length >= 2 * Needle * Needles + Question, "length", Length, $"at least {2 * Needle * Needles + Question} bytes, for {Needles} needles and the question");
        Require(Depth is null or >= 0 and <= 1, "depth", Depth ?? 0, "0 to 1, or none for anywhere");
    }

    private protected override void Write(RandomNumbers random, Span<long> tokens, Span<long> targets)
    {
        int phase = random.Below(Sentences.Length);
        for (int i = 0; i < Context; i++) tokens[i] = Sentences[(phase + i) % Sentences.Length];

        int[] keys = random.Choose(0, 26 * 26 * 26, Needles), starts = Starts(random);
        for (int i = 0; i < Needles; i++)
        {
            string key = $"#{(char)('a' + keys[i] / 676)}{(char)('a' + keys[i] / 26 % 26)}{(char)('a' + keys[i] % 26)}=", value = $"{random.Below(10_000):D4}";
            Put(key + value + ";", tokens[starts[i]..]);
            if (i > 0) continue;
            Put(key + value[..^1], tokens[Context..]);
            Put(value, targets[(Length - Digits)..]);
        }
    }

    // The needle that is asked for lies first; the others fall anew until they fall beside all those before.
    private int[] Starts(RandomNumbers random)
    {
        int room = Context - Needle;
        var starts = new int[Needles];
        starts[0] = Depth is { } depth ? (int)Math.Round(depth * room) : random.Below(room + 1);
        for (int i = 1; i < Needles; i++)
        {
            do starts[i] = random.Below(room + 1);
            while (starts.Take(i).Any(other => Math.Abs(other - starts[i]) < Needle));
        }
        return starts;
    }

    private static void Put(string text, Span<long> place)
    {
        for (int i = 0; i < text.Length; i++) place[i] = text[i];
    }
}
