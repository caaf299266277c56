using Memory.Gen.Training.RecallTasks;

namespace Recall;

/// <summary>What trained models are asked.</summary>
/// <param name="Name">Name in the results and of the chart's file.</param>
/// <param name="Title">What is asked, in a few words.</param>
/// <param name="Axis">What differs between the tests.</param>
/// <param name="Tests">In the order of the chart.</param>
/// <param name="Place">A test's name on the axis.</param>
internal sealed record Examination(string Name, string Title, string Axis, IReadOnlyList<RecallTask> Tests, Func<RecallTask, string> Place)
{
    /// <summary>Whether it counts that all answers of a sequence are right, as with the digits of a number.</summary>
    public bool ShowsExact => Tests[0] is NeedleInHaystack or SelectiveCopying;
}

/// <summary>A task: how models are trained on it, and what they are asked afterwards.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Training">What models are trained on.</param>
/// <param name="Examinations">What they are asked; a table and a chart each.</param>
/// <param name="Models">Names of the models that take part.</param>
internal sealed record Contest(string Name, IReadOnlyList<RecallTask> Training, IReadOnlyList<Examination> Examinations, IReadOnlyList<string> Models)
{
    /// <summary>Most steps of a training; most end earlier, but a start that is slow by its seed needs them.</summary>
    public int Steps { get; init; } = 800;

    /// <summary>Whether a training goes on when it answers its validation set, which does not ask at the longest distance; not in the quick form.</summary>
    public bool UsesAllSteps { get; init; }

    /// <summary>Most steps in the quick form.</summary>
    public int QuickSteps { get; init; } = 150;

    /// <summary>Names of the models that take part in the quick form; where there are none, the task is left out of it.</summary>
    public IReadOnlyList<string> QuickModels { get; init; } = [];

    /// <summary>Whether it is run only when it is asked for by name: half an hour of its own.</summary>
    public bool OnlyByName { get; init; }

    /// <summary>Sequences in a step, of the shortest of what models are trained on; of longer ones fewer.</summary>
    public int Batch { get; init; } = 64;

    /// <summary>A name under which it is asked for together with others; null: its own alone.</summary>
    public string? Theme { get; init; }

    /// <summary>Highest learning rate.</summary>
    public double LearningRate { get; init; } = 5e-3;
}

/// <summary>The tasks, in the order in which they are run.</summary>
internal static class Contests
{
    private static readonly string[] Memories = ["linear", "scalar-decay", "delta", "gated-delta", "titans", "titans-gate"];

    private static readonly string[] Family =
        ["linear", "based", "hedgehog", "retnet", "scalar-decay", "channel-decay", "bonus-decay", "tied-decay", "delta", "gated-delta", "channel-delta", "generalized-delta", "gated-slots"];

    public static IReadOnlyList<Contest> All { get; } =
    [
        new("mqar", [new AssociativeRecall()],
            [new("mqar", "Associative recall (8 pairs in training)", "key-value pairs in 64 tokens",
                Each([4, 8, 12, 16], pairs => new AssociativeRecall { KeyValuePairs = pairs }), task => $"{task.Pairs}")],
            ["sliding", .. Memories, "mixture"])
        { QuickSteps = 400, QuickModels = ["sliding", "linear", "delta", "gated-delta", "titans", "mixture"] },
        new("mqar-lead", [new AssociativeRecall { Lead = 16 }],
            [new("mqar-lead", "Associative recall, 16 tokens before the first question (8 pairs in training)", "key-value pairs in 64 tokens",
                Each([4, 8, 12], pairs => new AssociativeRecall { KeyValuePairs = pairs, Lead = 16 }), task => $"{task.Pairs}")],
            ["sliding", "gated-delta", "titans", "titans-gate", "mixture"])
        { Steps = 600, QuickSteps = 250, QuickModels = ["sliding", "gated-delta", "titans-gate"] },
        new("capacity", [new AssociativeRecall { KeyValuePairs = 16, Length = 128 }],
            [new("capacity", "Associative recall with states of equal size (16 pairs in training)", "key-value pairs in 128 tokens",
                Each([8, 16, 24, 32], pairs => new AssociativeRecall { KeyValuePairs = pairs, Length = 128 }), task => $"{task.Pairs}")],
            ["sliding", "gated-delta", "mixture-equal"]),
        new("eidetic", [Scattered(8)],
            [new("eidetic", "Associative recall of pairs among fillers, states of equal size (8 pairs in training)", "key-value pairs among 64 fillers",
                Each([4, 8, 12], Scattered), task => $"{task.Pairs}")],
            ["bmojo", "bmojo-8", "bmojo-32", "bmojo-residual", "bmojo-random", "bmojo-recency", "bmojo-f", "selective", "sliding-equal"])
        { OnlyByName = true },
        new("shares", [Scattered(8)],
            [new("shares", "Associative recall of pairs among fillers: a state's bytes shared out between slots and window (8 pairs in training)", "key-value pairs among 64 fillers",
                Each([4, 8, 12], Scattered), task => $"{task.Pairs}")],
            ["bmojo-f", "share-4", "share-8", "bmojo", "share-24"])
        { OnlyByName = true },
        // One layer cannot answer: here it counts what the slots hold.
        new("planted", [Scattered(8)],
            [new("planted", "Pairs planted among fillers, one B'MOJO layer alone (8 pairs in training)", "key-value pairs among 64 fillers",
                Each([4, 8, 12], Scattered), task => $"{task.Pairs}")],
            ["bmojo-alone", "alone-random"])
        { Steps = 200, OnlyByName = true },
        new("forgetting", [new ForgettingRecall()],
            [new("forgetting", "Recall of the last value of 6 keys (3 rounds in training)", "rounds that give every key a new value",
                Each([1, 2, 3, 4], rounds => new ForgettingRecall { Rounds = rounds }), task => $"{((ForgettingRecall)task).Rounds}")],
            ["sliding", .. Memories, "mixture"])
        { QuickSteps = 400, QuickModels = ["linear", "delta", "gated-delta", "titans"] },
        new("induction", Each([64, 128, 256], length => new InductionHeads { Length = length }),
            [new("induction", "Induction heads (64 to 256 tokens in training)", "tokens of the text",
                Each([64, 128, 256, 512, 1024], length => new InductionHeads { Length = length }), task => $"{task.Length:N0}")],
            ["sliding", .. Memories])
        { Steps = 400, QuickModels = ["sliding", "gated-delta", "titans"] },
        new("copying", [new SelectiveCopying()],
            [new("copying", "Selective copying of 8 symbols (64 tokens in training)", "tokens of the text",
                Each([32, 64, 128, 256], length => new SelectiveCopying { Length = length }), task => $"{task.Length:N0}")],
            ["sliding", .. Memories])
        { Steps = 500, QuickModels = ["sliding", "gated-delta", "titans"] },
        new("needle", Each([64, 128, 256, 512], length => new NeedleInHaystack { Length = length }),
            [
                new("needle", "A needle in a haystack (64 to 512 bytes in training)", "bytes of the text",
                    Each([128, 512, 1024, 2048], length => new NeedleInHaystack { Length = length }), task => $"{task.Length:N0}"),
                new("needle-depth", "A needle in a haystack of 2,048 bytes", "place of the needle: 0 first, 1 right before the question",
                    Each([0, 25, 50, 75, 100], depth => new NeedleInHaystack { Length = 2048, Depth = depth / 100.0 }), task => $"{((NeedleInHaystack)task).Depth:0.##}"),
            ],
            ["sliding-swiglu", .. Memories, "mixture", "titans-gate-wide"])
        { Steps = 400, UsesAllSteps = true, QuickModels = ["sliding-swiglu", "gated-delta", "titans-gate-wide"] },
        Tracking("tracking-parity", "Parity of all tokens so far", new GroupWordProblem { Group = PermutationGroup.Z2 },
            ["track-attention", "track-selective", "track-scalar-decay", "track-delta", "track-gated-delta", "track-generalized-delta", "track-titans", "negative-delta", "negative-gated-delta"])
        with { Steps = 300, QuickModels = ["track-gated-delta", "negative-gated-delta"] },
        Tracking("tracking-swaps", "Swaps of two of five things, S5", new GroupWordProblem { Group = PermutationGroup.S5, MostMoved = 2 },
            ["track-attention", "track-scalar-decay", "track-gated-delta", "track-generalized-delta", "track-titans", "negative-delta", "negative-gated-delta"]),
        Tracking("tracking-s3", "Permutations of three things, S3", new GroupWordProblem { Group = PermutationGroup.S3 },
            ["track-attention", "track-gated-delta", "track-two-writes", "negative-gated-delta", "negative-two-writes"]),
        // What follows is learned with short texts among the long ones and larger steps, or not in so few of them.
        Tracking("tracking-two-layers", "Permutations of three things, S3, two layers or writes", new GroupWordProblem { Group = PermutationGroup.S3 },
            ["negative-delta", "negative-two-layers", "negative-two-writes"], [4, 8, 16, 32])
        with { Steps = 1200, LearningRate = 1e-2, Batch = 512, OnlyByName = true },
        Tracking("tracking-s5", "Permutations of two or three of five things, S5", new GroupWordProblem { Group = PermutationGroup.S5, MostMoved = 3 },
            ["track-attention", "track-two-writes", "negative-gated-delta", "negative-two-writes", "negative-four-writes"], [4, 8, 16, 32])
        with { Steps = 1000, LearningRate = 1e-2, Batch = 512, OnlyByName = true },
        new("segments", Each([64, 128, 256, 512], length => new NeedleInHaystack { Length = length }),
            [new("segments", "A needle in a haystack, read in segments of 32 bytes (64 to 512 bytes in training)", "bytes of the text",
                Each([128, 512, 2048], length => new NeedleInHaystack { Length = length }), task => $"{task.Length:N0}")],
            ["sliding-wide", "rmt", "hmt"])
        { OnlyByName = true },
        new("family", [new AssociativeRecall()],
            [new("family", "Associative recall, the rules of linear memories (8 pairs in training)", "key-value pairs in 64 tokens",
                Each([8, 16], pairs => new AssociativeRecall { KeyValuePairs = pairs }), task => $"{task.Pairs}")],
            Family)
        { OnlyByName = true },
        new("family-forgetting", [new ForgettingRecall()],
            [new("family-forgetting", "Recall of the last value of 6 keys, the rules of linear memories (3 rounds in training)", "rounds that give every key a new value",
                Each([2, 3, 4], rounds => new ForgettingRecall { Rounds = rounds }), task => $"{((ForgettingRecall)task).Rounds}")],
            Family)
        { OnlyByName = true },
        new("muon", [new AssociativeRecall { Lead = 16 }],
            [new("muon", "Associative recall with and without orthogonal momentum, blocks of 16 and 16 tokens before the first question (8 pairs in training)", "key-value pairs in 64 tokens",
                Each([4, 8, 12], pairs => new AssociativeRecall { KeyValuePairs = pairs, Lead = 16 }), task => $"{task.Pairs}")],
            ["block-titans", "muon-titans", "block-unit", "muon-unit", "lact-unit"])
        { Steps = 400, OnlyByName = true },
        new("two-layers", [new AssociativeRecall()],
            [new("two-layers", "Associative recall with two memory layers (8 pairs in training)", "key-value pairs in 64 tokens",
                Each([4, 8, 12, 16], pairs => new AssociativeRecall { KeyValuePairs = pairs }), task => $"{task.Pairs}")],
            ["sliding", "two-linear", "two-gated-delta", "two-titans"])
        { OnlyByName = true },
        new("random-filler", [new AssociativeRecall { RandomFiller = true }],
            [new("random-filler", "Associative recall among random tokens (8 pairs in training)", "key-value pairs in 64 tokens",
                Each([4, 8, 12], pairs => new AssociativeRecall { KeyValuePairs = pairs, RandomFiller = true }), task => $"{task.Pairs}")],
            ["sliding", "linear", "delta", "gated-delta", "titans"])
        { OnlyByName = true },
        new("four-needles", Each([128, 256, 512], length => new NeedleInHaystack { Length = length, Needles = 4 }),
            [new("four-needles", "One of four needles in a haystack (128 to 512 bytes in training)", "bytes of the text",
                Each([128, 512, 2048], length => new NeedleInHaystack { Length = length, Needles = 4 }), task => $"{task.Length:N0}")],
            ["sliding-swiglu", "gated-delta", "titans", "titans-gate-wide"])
        { OnlyByName = true },
    ];

    /// <summary>What can be asked for: every task, and before the first one of a theme the theme.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.SelectMany(contest => contest.Theme is { } theme ? new[] { theme, contest.Name } : [contest.Name]).Distinct()];

    // Trained on 32 tokens or up to them, each of which is asked; of longer texts the second half is asked, which lies behind all shorter ones.
    private static Contest Tracking(string name, string title, GroupWordProblem problem, IReadOnlyList<string> models, params int[] lengths) =>
        new(name, Each(lengths.Length == 0 ? [32] : lengths, length => problem with { Length = length }),
            [new(name, $"{title} (up to 32 tokens in training)", "tokens of the text, of which the second half is asked",
                Each([32, 64, 128, 256], length => problem with { Length = length, Unasked = length / 2 }), task => $"{task.Length:N0}")],
            models)
        { Steps = 400, UsesAllSteps = true, Theme = "tracking" };

    private static AssociativeRecall Scattered(int pairs) => new() { KeyValuePairs = pairs, Spread = 64, Lead = 8, Length = 128 };

    private static IReadOnlyList<RecallTask> Each(int[] values, Func<int, RecallTask> task) => [.. values.Select(task)];
}
