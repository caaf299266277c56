using Memory.Gen.Training;
using Memory.Gen.Training.RecallTasks;
using Xunit;

namespace Memory.Gen.Runtime.Tests.RecallTasks;

public class GroupWordProblemTests
{
    public static TheoryData<PermutationGroup, int> Orders => new() { { PermutationGroup.Z2, 2 }, { PermutationGroup.S3, 6 }, { PermutationGroup.A5, 60 }, { PermutationGroup.S5, 120 } };

    [Theory, MemberData(nameof(Orders))]
    public void TheProductsMakeAGroup(PermutationGroup group, int order)
    {
        var table = GroupTable.Of(group);
        Assert.Equal(order, table.Order);
        int[] all = [.. Enumerable.Range(0, order)];
        Assert.All(all, a => Assert.Equal((a, a), (table.Product(0, a), table.Product(a, 0))));
        foreach (int a in all)
        {
            Assert.Equal(all, all.Select(b => table.Product(a, b)).Order());
            Assert.Equal(0, table.Product(Inverse(table, a), a));
            foreach (int b in all)
                foreach (int c in all)
                    if (table.Product(table.Product(a, b), c) != table.Product(a, table.Product(b, c))) Assert.Fail($"({a} {b}) {c} is not {a} ({b} {c})");
        }
    }

    // Z2 is commutative, S3 not but solvable: commutators of commutators are the identity. A5 is its own commutators, and S5's are A5.
    [Theory]
    [InlineData(PermutationGroup.Z2, 1, 1)]
    [InlineData(PermutationGroup.S3, 3, 1)]
    [InlineData(PermutationGroup.A5, 60, 60)]
    [InlineData(PermutationGroup.S5, 60, 60)]
    public void TheGroupsDifferInWhatTheirCommutatorsLeave(PermutationGroup group, int once, int twice)
    {
        var table = GroupTable.Of(group);
        int[] first = Commutators([.. Enumerable.Range(0, table.Order)]), second = Commutators(first);
        Assert.Equal((once, twice), (first.Length, second.Length));

        // In these groups every product of commutators is a commutator itself.
        int[] Commutators(int[] of) =>
            [.. of.SelectMany(a => of.Select(b => table.Product(table.Product(a, b), table.Product(Inverse(table, a), Inverse(table, b))))).Distinct()];
    }

    [Fact]
    public void ParityIsTheNumberOfOnes()
    {
        var batch = new GroupWordProblem { Group = PermutationGroup.Z2, Length = 20 }.Draw(RecallSet.Training, 0, 0, 50);
        foreach (var (tokens, targets) in batch.Tokens.Chunk(20).Zip(batch.Targets.Chunk(20)))
            Assert.Equal(Enumerable.Range(1, 20).Select(count => tokens[..count].Sum() % 2), targets);
    }

    [Fact]
    public void NothingIsAskedBeforeItsPlaceAndTheAnswersStayTheSame()
    {
        var task = new GroupWordProblem { Group = PermutationGroup.S3, Length = 12 };
        RecallBatch all = task.Draw(RecallSet.Test, 1, 0, 30), late = (task with { Unasked = 7 }).Draw(RecallSet.Test, 1, 0, 30);

        Assert.Equal(all.Tokens, late.Tokens);
        Assert.DoesNotContain(RecallBatch.Ignored, all.Targets);
        foreach (var (every, some) in all.Targets.Chunk(12).Zip(late.Targets.Chunk(12)))
        {
            Assert.All(some[..7], target => Assert.Equal(RecallBatch.Ignored, target));
            Assert.Equal(every[7..], some[7..]);
        }
    }

    // The identity alone moves nothing; five things have 10 swaps, 20 cycles of three and, of two swaps beside one another, 15.
    [Theory]
    [InlineData(PermutationGroup.Z2, 2, 2)]
    [InlineData(PermutationGroup.S3, 2, 4)]
    [InlineData(PermutationGroup.A5, 3, 21)]
    [InlineData(PermutationGroup.A5, 4, 36)]
    [InlineData(PermutationGroup.S5, 2, 11)]
    [InlineData(PermutationGroup.S5, 5, 120)]
    public void TokensMoveNoMoreThanTheyMay(PermutationGroup group, int most, int elements)
    {
        var task = new GroupWordProblem { Group = group, MostMoved = most, Length = 40 };
        var counts = task.Draw(RecallSet.Test, 0, 0, 2000).Tokens.CountBy(token => token).ToDictionary();

        var table = GroupTable.Of(group);
        Assert.Equal(elements, counts.Count);
        if (most == 2) Assert.All(counts.Keys, token => Assert.Equal(0, table.Product((int)token, (int)token)));
        double expected = 80_000.0 / elements;
        Assert.All(counts.Values, count => Assert.InRange(count, expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected))));
    }

    // Each token alone, the last two together, and the answer before say nothing of an answer: all pairs are as frequent as by chance.
    [Theory, InlineData(PermutationGroup.Z2), InlineData(PermutationGroup.S3)]
    public void NoPartOfASequenceTellsTheAnswer(PermutationGroup group)
    {
        const int rows = 40_000, length = 4;
        var batch = new GroupWordProblem { Group = group, Length = length }.Draw(RecallSet.Test, 2, 0, rows);
        int order = GroupTable.Of(group).Order;
        var sequences = batch.Tokens.Chunk(length).Zip(batch.Targets.Chunk(length)).ToList();
        for (int at = 0; at < length; at++) Even(order, s => s.First[at], s => s.Second[^1]);
        Even(order, s => s.Second[^2], s => s.Second[^1]);
        Even(order * order, s => (s.First[^1] * order) + s.First[^2], s => s.Second[^1]);

        void Even(int places, Func<(long[] First, long[] Second), long> clue, Func<(long[] First, long[] Second), long> answer)
        {
            var counts = new int[places, order];
            foreach (var sequence in sequences) counts[clue(sequence), answer(sequence)]++;
            double expected = rows / (double)(places * order);
            foreach (int count in counts) Assert.InRange(count, expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected)));
        }
    }

    [Theory, MemberData(nameof(Orders))]
    public void ChanceIsOneOfTheElements(PermutationGroup group, int order)
    {
        var task = new GroupWordProblem { Group = group, Length = 40, Unasked = 20 };
        Assert.Equal((order, 1.0 / order), (task.VocabSize, task.Chance));

        var answers = task.Draw(RecallSet.Test, 0, 0, 2000).Targets.Where(target => target != RecallBatch.Ignored).CountBy(target => target).ToList();

        Assert.Equal(order, answers.Count);
        double expected = 40_000.0 / order;
        Assert.All(answers, answer => Assert.InRange(answer.Value, expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected))));
    }

    [Fact]
    public void WhatMakesNoTaskIsRefused()
    {
        Refused(new GroupWordProblem { Group = (PermutationGroup)4 }, "group", "Z2, S3, A5, S5");
        Refused(new GroupWordProblem { Group = PermutationGroup.A5, MostMoved = 2 }, "moves at most", "3 to 5 in A5");
        Refused(new GroupWordProblem { Group = PermutationGroup.S3, MostMoved = 4 }, "moves at most", "2 to 3 in S3");
        Refused(new GroupWordProblem { Group = PermutationGroup.S3, MostMoved = -1 }, "moves at most", "2 to 3 in S3");
        Refused(new GroupWordProblem { Length = 0 }, "length", "at least 1");
        Refused(new GroupWordProblem { Length = 8, Unasked = 8 }, "without a question", "0 to 7");
        Refused(new GroupWordProblem { Unasked = -1 }, "without a question", "0 to 63");

        static void Refused(RecallTask task, params string[] words)
        {
            string message = Assert.Throws<TrainingException>(() => task.Draw(RecallSet.Test, 0, 0, 1)).Message;
            Assert.All(words, word => Assert.Contains(word, message));
        }
    }

    private static int Inverse(GroupTable table, int element) => Enumerable.Range(0, table.Order).Single(other => table.Product(element, other) == 0);
}
