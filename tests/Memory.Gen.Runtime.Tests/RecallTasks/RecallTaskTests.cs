using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;
using Memory.Gen.Training;
using Memory.Gen.Training.RecallTasks;
using Xunit;

namespace Memory.Gen.Runtime.Tests.RecallTasks;

public class RecallTaskTests
{
    private const int Rows = 200;

    private static readonly ConcurrentDictionary<PermutationGroup, string[]> Elements = new();

    public static TheoryData<RecallTask> Tasks =>
    [
        new AssociativeRecall(),
        new AssociativeRecall { Lead = 16 },
        new AssociativeRecall { Spread = 12, Lead = 4 },
        new AssociativeRecall { Vocabulary = 32, KeyValuePairs = 15, Length = 60 },
        new AssociativeRecall { RandomFiller = true },
        new ForgettingRecall(),
        new InductionHeads(),
        new InductionHeads { Vocabulary = 3, Length = 3 },
        new SelectiveCopying(),
        new SelectiveCopying { Symbols = 16, Length = 200 },
        new NeedleInHaystack { Length = 100 },
        new NeedleInHaystack { Length = 300, Needles = 4 },
        new GroupWordProblem(),
        new GroupWordProblem { Group = PermutationGroup.S3, Length = 1 },
        new GroupWordProblem { Group = PermutationGroup.A5, Length = 32, Unasked = 16 },
        new GroupWordProblem { Group = PermutationGroup.S5, Length = 10, Unasked = 9 },
        new GroupWordProblem { Group = PermutationGroup.S5, MostMoved = 2 },
    ];

    [Theory, MemberData(nameof(Tasks))]
    public void TokensLieInTheVocabularyAndNothingIsAskedInTheContext(RecallTask task)
    {
        var batch = Draw(task);

        Assert.Equal(Rows * task.Length, batch.Tokens.Length);
        Assert.All(batch.Tokens, token => Assert.InRange(token, 0, task.VocabSize - 1));
        foreach (var (tokens, targets) in Sequences(batch))
        {
            Assert.All(targets[..task.Context], target => Assert.Equal(RecallBatch.Ignored, target));
            Assert.Contains(targets, target => target != RecallBatch.Ignored);
            Assert.All(targets.Where(t => t != RecallBatch.Ignored), target => Assert.InRange(target, 0, task.VocabSize - 1));
        }
    }

    // Readers that know the task in words only: what they find in the sequence must be what is asked.
    [Theory, MemberData(nameof(Tasks))]
    public void AReaderOfTheSequenceFindsEveryAnswer(RecallTask task)
    {
        foreach (var (tokens, targets) in Sequences(Draw(task)))
        {
            int answers = 0;
            for (int at = 0; at < tokens.Length; at++)
            {
                if (targets[at] == RecallBatch.Ignored) continue;
                Assert.Equal(Read(task, tokens, at, answers++), targets[at]);
            }
            Assert.Equal(task switch { AssociativeRecall t => t.KeyValuePairs, ForgettingRecall t => t.Keys, SelectiveCopying t => t.Symbols, NeedleInHaystack => 4, GroupWordProblem t => t.Length - t.Unasked, _ => 1 }, answers);
        }
    }

    [Theory, MemberData(nameof(Tasks))]
    public void ASeedGivesTheSameSequencesHoweverTheyAreDrawn(RecallTask task)
    {
        var whole = task.Draw(RecallSet.Test, 3, 0, 8);
        var parts = new[] { task.Draw(RecallSet.Test, 3, 0, 3), task.Draw(RecallSet.Test, 3, 3, 5) };

        Assert.Equal(whole.Tokens, parts.SelectMany(part => part.Tokens));
        Assert.Equal(whole.Targets, parts.SelectMany(part => part.Targets));
    }

    // The tasks with room for more sequences than could meet by chance.
    [Fact]
    public void NoSequenceOfOneSetOrSeedIsInAnother()
    {
        foreach (var task in new RecallTask[] { new AssociativeRecall(), new ForgettingRecall(), new InductionHeads(), new SelectiveCopying(), new NeedleInHaystack { Length = 200, Needles = 2 }, new GroupWordProblem() })
        {
            var sequences = from set in Enum.GetValues<RecallSet>()
                            from seed in new long[] { 0, 1, 2, -1 }
                            from sequence in Sequences(task.Draw(set, seed, 0, Rows))
                            select string.Join(' ', sequence.Tokens);
            Assert.Equal(3 * 4 * Rows, sequences.Distinct().Count());
        }
    }

    [Theory, InlineData(0), InlineData(16)]
    public void AssociativeRecallAsksEveryKeyOnceAfterTheLead(int lead)
    {
        var task = new AssociativeRecall { Lead = lead };
        int nearest = int.MaxValue;
        foreach (var (tokens, targets) in Sequences(Draw(task)))
        {
            long[] keys = [.. Enumerable.Range(0, 8).Select(i => tokens[2 * i])], values = [.. Enumerable.Range(0, 8).Select(i => tokens[2 * i + 1])];
            Assert.Equal(8, keys.Distinct().Count());
            Assert.Equal(8, values.Distinct().Count());
            Assert.All(keys, key => Assert.InRange(key, 1, 127));
            Assert.All(values, value => Assert.InRange(value, 128, 255));

            int[] places = [.. Enumerable.Range(0, 64).Where(at => targets[at] != RecallBatch.Ignored)];
            Assert.Equal(keys.Order(), places.Select(at => tokens[at]).Order());
            Assert.All(places, at => Assert.Equal(0, at % 2));
            Assert.All(Enumerable.Range(16, 48).Except(places), at => Assert.Equal(0, tokens[at]));
            nearest = Math.Min(nearest, places.Min());
        }
        Assert.Equal(16 + lead, nearest);
    }

    [Fact]
    public void SpreadPairsStandAnywhereAmongTheFillers()
    {
        var task = new AssociativeRecall { KeyValuePairs = 4, Spread = 6, Length = 40 };
        var firsts = new HashSet<int>();
        foreach (var (tokens, _) in Sequences(Draw(task)))
        {
            int[] keys = [.. Enumerable.Range(0, task.Context).Where(at => tokens[at] is > 0 and < 128)];
            Assert.Equal(4, keys.Length);
            Assert.All(keys, at => Assert.InRange(tokens[at + 1], 128, 255));
            Assert.Equal(6, tokens[..task.Context].Count(token => token == 0));
            firsts.Add(keys[0]);
        }
        Assert.Superset(Enumerable.Range(0, 4).ToHashSet(), firsts);
    }

    // The first key draws first, so its place has the power law itself: for 24 places, place i with weight (i + 1)^-0.99.
    [Fact]
    public void AssociativeRecallsGapsFollowThePowerLaw()
    {
        const int rows = 20_000;
        double[] weights = [.. Enumerable.Range(1, 24).Select(i => Math.Pow(i, 0.01 - 1))];
        var counts = new int[24];
        foreach (var (tokens, targets) in Sequences(new AssociativeRecall().Draw(RecallSet.Test, 1, 0, rows)))
            counts[(Array.FindIndex(tokens, 16, token => token == tokens[0]) - 16) / 2]++;

        for (int i = 0; i < 24; i++)
        {
            double share = weights[i] / weights.Sum();
            Assert.InRange(counts[i] / (double)rows, share - 5 * Math.Sqrt(share / rows), share + 5 * Math.Sqrt(share / rows));
        }
    }

    [Fact]
    public void RandomFillerReplacesTheFillersAlone()
    {
        var (plain, random) = (Draw(new AssociativeRecall()), Draw(new AssociativeRecall { RandomFiller = true }));

        Assert.Equal(plain.Targets, random.Targets);
        Assert.All(plain.Tokens.Zip(random.Tokens), pair => Assert.True(pair.First == 0 || pair.First == pair.Second));
        Assert.True(plain.Tokens.Zip(random.Tokens).Where(pair => pair.First == 0).Select(pair => pair.Second).Distinct().Count() == 256);
    }

    [Fact]
    public void ForgettingRecallGivesEveryKeyAValueInEveryRound()
    {
        foreach (var (tokens, _) in Sequences(Draw(new ForgettingRecall { Keys = 6, Rounds = 3 })))
        {
            var rounds = tokens[..36].Chunk(12).Select(round => round.Chunk(2).Select(pair => pair[0]).ToArray()).ToArray();
            Assert.All(rounds, round => Assert.Equal(rounds[0].Order(), round.Order()));
            Assert.Equal(6, rounds[0].Distinct().Count());
            Assert.Equal(18, tokens[..36].Chunk(2).Select(pair => pair[1]).Distinct().Count());
        }
    }

    [Theory, InlineData(0.0, 0), InlineData(0.5, 91), InlineData(1.0, 182)]
    public void ANeedleLiesAtItsDepth(double depth, int place)
    {
        foreach (var (tokens, _) in Sequences(Draw(new NeedleInHaystack { Length = 200, Depth = depth }))) Assert.Equal(place, Text(tokens).IndexOf('#'));
    }

    [Fact]
    public void AHaystackIsWholeNeedlesInRepeatedSentences()
    {
        foreach (var (tokens, _) in Sequences(Draw(new NeedleInHaystack { Length = 300, Needles = 4 })))
        {
            string haystack = Text(tokens)[..292];
            Assert.Equal(4, Regex.Matches(haystack, "#[a-z]{3}=[0-9]{4};").Select(match => match.Value[..4]).Distinct().Count());
            string hay = Regex.Replace(haystack, "#[a-z]{3}=[0-9]{4};", "");
            Assert.Matches("^[A-Za-z. ]+$", hay);
        }
    }

    [Fact]
    public void WhatMakesNoTaskIsRefused()
    {
        Refused(new AssociativeRecall { Length = 31 }, "length", "32");
        Refused(new AssociativeRecall { Length = 47, Lead = 16 }, "length", "48");
        Refused(new AssociativeRecall { Length = 47, Spread = 16 }, "length", "48");
        Refused(new AssociativeRecall { Spread = -1 }, "spread", "0 or more");
        Refused(new AssociativeRecall { KeyValuePairs = 8, Vocabulary = 16 }, "pairs", "1 to 7");
        Refused(new AssociativeRecall { GapPower = 0 }, "gap power", "above 0");
        Refused(new ForgettingRecall { Rounds = 22, Length = 1000 }, "rounds", "1 to 21");
        Refused(new ForgettingRecall { Length = 47 }, "length", "48");
        Refused(new InductionHeads { Length = 2 }, "length", "3");
        Refused(new SelectiveCopying { Symbols = 33 }, "length", "66");
        Refused(new NeedleInHaystack { Length = 27 }, "length", "28");
        Refused(new NeedleInHaystack { Depth = 1.5 }, "depth", "0 to 1");

        static void Refused(RecallTask task, params string[] words)
        {
            string message = Assert.Throws<TrainingException>(() => task.Draw(RecallSet.Test, 0, 0, 1)).Message;
            Assert.All(words, word => Assert.Contains(word, message));
        }
    }

    private static RecallBatch Draw(RecallTask task) => task.Draw(RecallSet.Test, 7, 0, Rows);

    private static IEnumerable<(long[] Tokens, long[] Targets)> Sequences(RecallBatch batch) => batch.Tokens.Chunk(batch.Length).Zip(batch.Targets.Chunk(batch.Length));

    private static string Text(long[] tokens) => Encoding.ASCII.GetString([.. tokens.Select(token => (byte)token)]);

    // What stands in the sequence as the answer to its number-th question, which is asked at a place.
    private static long Read(RecallTask task, long[] tokens, int place, int number)
    {
        switch (task)
        {
            case AssociativeRecall or ForgettingRecall:
                int last = Array.LastIndexOf(tokens, tokens[place], task.Context - 1);
                return tokens[last + 1];
            case InductionHeads heads:
                return tokens[Array.IndexOf(tokens, heads.Vocabulary - 1L) + 1];
            case SelectiveCopying:
                return tokens[..task.Context].Where(token => token != 0).ElementAt(number);
            case GroupWordProblem problem:
                return Arrangement(problem.Group, tokens[..(place + 1)]);
            default:
                string text = Text(tokens), key = Regex.Match(text[task.Context..], "#[a-z]{3}=").Value;
                return text[text.IndexOf(key, StringComparison.Ordinal) + key.Length + number];
        }
    }

    // Things in a row are arranged anew by one token after another: each place gets what stood where the token says. The answer is the token that does so at once.
    private static long Arrangement(PermutationGroup group, long[] tokens)
    {
        string[] elements = Elements.GetOrAdd(group, static group => group switch { PermutationGroup.Z2 => Rows("01", even: false), PermutationGroup.S3 => Rows("012", even: false), PermutationGroup.A5 => Rows("01234", even: true), _ => Rows("01234", even: false) });
        string row = elements[0];
        foreach (long token in tokens) row = string.Concat(elements[token].Select(place => row[place - '0']));
        return Array.IndexOf(elements, row);

        // Every row of digits in which each stands once, in the order of numbers; it is even when an even number of swaps sorts it.
        static string[] Rows(string digits, bool even) =>
            [.. Enumerable.Range(0, (int)Math.Pow(10, digits.Length)).Select(number => number.ToString().PadLeft(digits.Length, '0'))
                .Where(row => string.Concat(row.Order()) == digits && (!even || Swaps(row) % 2 == 0))];

        static int Swaps(string row)
        {
            char[] places = row.ToCharArray();
            int swaps = 0;
            for (int i = 0; i < places.Length; i++)
                for (; places[i] - '0' != i; swaps++) (places[i], places[places[i] - '0']) = (places[places[i] - '0'], places[i]);
            return swaps;
        }
    }
}
