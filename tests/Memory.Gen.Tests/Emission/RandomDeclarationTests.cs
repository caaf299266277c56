using System.Text;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Emission;

/// <summary>Whatever is declared becomes code that compiles, or a diagnostic of ours; nothing else, and never an exception.</summary>
public class RandomDeclarationTests
{
    private const int ClassesPerCompilation = 50;

    private static readonly string[] Numbers =
        ["int.MinValue", "-1", "0", "1", "2", "3", "4", "7", "8", "8", "16", "16", "64", "64", "100", "4096", "1 << 20", "int.MaxValue"];

    private static readonly string[] RealNumbers = ["double.NaN", "double.PositiveInfinity", "-1", "0", "1", "0.5", "10000", "1e300"];

    private static readonly string[] Patterns = ["null", "\"\"", "\" \"", "\"A\"", "\"AB\"", "\"AAB AAB\"", "\"ba\"", "\"A1\"", "\"A\\u0000B\"", "new string('A', 2)"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task EveryDeclarationIsCodeOrADiagnostic(int seed)
    {
        var random = new Random(seed);
        string[] classes = [.. Enumerable.Range(0, ClassesPerCompilation).Select(i => Class(random, "C" + i))];
        IReadOnlyList<Diagnostic> diagnostics = await Compile.Diagnostics(Compile.Library(
            "using Memory.Gen;\nnamespace Samples;\n" + string.Join("\n", classes)));

        ILookup<int, string> reported = diagnostics.ToLookup(d => d.Location.GetLineSpan().StartLinePosition.Line - 2, d => d.Id);
        Assert.All(diagnostics, d => Assert.True(
            d.Id.StartsWith("MEMGEN", StringComparison.Ordinal) || IsCompilersOwn(d), $"{d}\n{classes.ElementAtOrDefault(d.Location.GetLineSpan().StartLinePosition.Line - 2)}"));
        Assert.Contains(classes.Index(), c => !reported[c.Index].Any());
        Assert.Contains(classes.Index(), c => reported[c.Index].Any(id => id.StartsWith("MEMGEN", StringComparison.Ordinal)));
    }

    // Mistakes in attribute syntax that the compiler reports itself, in the source: no constant, an attribute twice.
    private static bool IsCompilersOwn(Diagnostic diagnostic) =>
        diagnostic.Id is "CS0182" or "CS0579" or "CS0260" && diagnostic.Location.SourceTree!.FilePath == "Declared.cs";

    private static string Class(Random random, string name)
    {
        var text = new StringBuilder();
        bool good = random.Next(3) > 0;
        if (random.Next(20) > 0)
            text.Append(good
                ? $"[MemoryModel(VocabSize = {random.Next(1, 500)}, Dim = 64, Layers = {random.Next(1, 5)}{(random.Next(2) == 0 ? ", TiedEmbeddings = true" : "")})] "
                : $"[MemoryModel({Arguments(random, ("VocabSize", Numbers), ("Dim", Numbers), ("Layers", Numbers), ("FeedForward", Numbers), ("Pattern", Patterns))})] ");
        if (random.Next(20) == 0)
            text.Append($"[MemoryLayer({Arguments(random, ("Dim", Numbers))})] ");
        for (int i = good ? 1 : random.Next(4); i > 0; i--)
            text.Append(random.Next(6) switch { 0 => Attention(random, good), 1 => Linear(random, good), 2 => Mixture(random, good), 3 => Selective(random, good), 4 => BMojo(random, good), _ => Titans(random, good) });
        if (random.Next(3) == 0)
            text.Append(Wrapper(random, good));
        string modifiers = good ? "internal sealed partial class " : Pick(random, ["partial class ", "class ", "partial record ", "static partial class ", "internal partial class "]);
        return text.Append(modifiers).Append(name).Append(random.Next(8) == 0 && !good ? "<T>;" : ";").ToString();
    }

    private static string Attention(Random random, bool good) => good
        ? $"[SlidingAttention(Heads = {Pick(random, ["1", "4", "8"])}{(random.Next(2) == 0 ? ", Window = " + random.Next(1, 99) : "")})] "
        : $"[SlidingAttention({Letter(random)}{Arguments(random, ("Heads", Numbers), ("KeyValueHeads", Numbers), ("Window", Numbers), ("RotaryBase", RealNumbers), ("FeedForward", Numbers))})] ";

    private static string Linear(Random random, bool good) => good
        ? $"[LinearMemory(Heads = {Pick(random, ["1", "4", "8"])}, Rule = (MemoryRule){random.Next(5)}{(random.Next(2) == 0 ? ", KeyDim = " + random.Next(1, 99) : "")}{(random.Next(2) == 0 ? ", ConvWidth = 0" : "")})] "
        : random.Next(3) == 0 ? $"[LinearMemory(Heads = {Pick(random, ["4", "8", "16"])}, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = {Pick(random, Numbers)})] "
        : $"[LinearMemory({Letter(random)}{Arguments(random, ("Heads", Numbers), ("KeyHeads", Numbers), ("Rule", [$"(MemoryRule)({random.Next(-1, 8)})"]), ("KeyDim", Numbers), ("ValueDim", Numbers), ("ConvWidth", Numbers), ("FeatureMap", [$"(FeatureMap)({random.Next(-1, 5)})"]), ("Normalized", ["true"]), ("UnitLength", ["true", "false"]), ("StateSpace", ["true"]), ("Groups", Numbers), ("Decay", [$"(DecaySchedule)({random.Next(-1, 4)})"]), ("RotaryBase", RealNumbers), ("FeedForward", Numbers))})] ";

    private static string Selective(Random random, bool good) => good
        ? $"[SelectiveStateSpace(StateDim = {random.Next(1, 99)}{(random.Next(2) == 0 ? ", Expansion = " + random.Next(1, 9) : "")}{(random.Next(2) == 0 ? ", ConvWidth = " + random.Next(2, 9) : "")}{(random.Next(2) == 0 ? ", StepRank = " + random.Next(1, 99) : "")})] "
        : $"[SelectiveStateSpace({Letter(random)}{Arguments(random, ("Expansion", Numbers), ("StateDim", Numbers), ("ConvWidth", Numbers), ("StepRank", Numbers), ("FeedForward", Numbers))})] ";

    private static string Mixture(Random random, bool good) => good
        ? $"[MixtureOfMemories(Heads = {Pick(random, ["1", "4", "8"])}, Memories = {random.Next(2, 9)}, Rule = (MemoryRule){random.Next(6)}{(random.Next(2) == 0 ? ", SharedMemory = false" : "")}{(random.Next(2) == 0 ? ", SharedProjections = true" : "")}{(random.Next(2) == 0 ? ", BalanceLoss = 0" : "")})] "
        : $"[MixtureOfMemories({Letter(random)}{Arguments(random, ("Heads", Numbers), ("Memories", Numbers), ("TopK", Numbers), ("Rule", [$"(MemoryRule)({random.Next(-1, 12)})"]), ("Householders", Numbers), ("KeyHeads", Numbers), ("Slots", Numbers), ("NegativeEigenvalues", ["true"]), ("KeyDim", Numbers), ("ValueDim", Numbers), ("ConvWidth", Numbers), ("SharedMemory", ["false"]), ("SharedProjections", ["true"]), ("UnitLength", ["true", "false"]), ("BalanceLoss", RealNumbers), ("FeedForward", Numbers))})] ";

    private static string BMojo(Random random, bool good)
    {
        if (!good)
            return $"[BMojoMemory({Letter(random)}{Arguments(random, ("Heads", Numbers), ("KeyValueHeads", Numbers), ("Window", Numbers), ("WindowMode", [$"(BMojoWindow)({random.Next(-1, 3)})"]), ("EideticTokens", Numbers), ("FadingTokens", Numbers), ("FadingStride", Numbers), ("FadingOffset", Numbers), ("Fading", [$"(FadingState)({random.Next(-1, 5)})"]), ("TiedProjections", ["false"]), ("RefreshTokens", Numbers), ("Score", [$"(BMojoScore)({random.Next(-1, 6)})"]), ("PredictionLoss", RealNumbers), ("Threshold", RealNumbers), ("ScoreDecay", RealNumbers), ("Eviction", [$"(BMojoEviction)({random.Next(-1, 3)})"]), ("Positions", [$"(BMojoPositions)({random.Next(-1, 3)})"]), ("QueryKeyNorm", ["true"]), ("RotaryBase", RealNumbers), ("FeedForward", Numbers))})] ";

        // Every option that is written differently, alone and together.
        string Maybe(string option) => random.Next(2) == 0 ? ", " + option : "";
        int score = random.Next(5);
        bool sliding = random.Next(2) == 0, rotary = random.Next(3) > 0;
        string fading = score < 2 || random.Next(2) == 0
            ? $", FadingTokens = 3, Fading = (FadingState){random.Next(3)}" + Maybe("FadingStride = 2") + Maybe("TiedProjections = false") + (sliding ? Maybe("FadingOffset = 1") : "")
            : "";
        string eidetic = random.Next(4) == 0 ? "" : $", EideticTokens = 5, Score = (BMojoScore){score}"
            + (score == 4 ? "" : Maybe("Threshold = 0.5") + (random.Next(3) == 0 ? ", Eviction = BMojoEviction.Fifo" : Maybe("ScoreDecay = 0.5")))
            + (rotary ? Maybe("Positions = BMojoPositions.Absolute") : "") + (sliding ? Maybe("RefreshTokens = 3") : "");
        return $"[BMojoMemory(Heads = {Pick(random, ["1", "4", "8"])}, Window = 8{fading}{eidetic}, WindowMode = BMojoWindow.{(sliding ? "Sliding" : "Blocked")}"
            + $"{(rotary ? "" : ", RotaryBase = 0")}{Maybe("KeyValueHeads = 1")}{Maybe("QueryKeyNorm = true")})] ";
    }

    private static string Titans(Random random, bool good)
    {
        if (!good)
            return $"[TitansMemory({Letter(random)}(TitansVariant)({random.Next(-1, 5)}), {Arguments(random, ("Heads", Numbers), ("Window", Numbers), ("Block", Numbers), ("BackpropSegments", Numbers), ("MemoryDepth", Numbers), ("Expansion", Numbers), ("MaxStep", RealNumbers), ("MaxMomentum", RealNumbers), ("InnerClip", RealNumbers), ("ConvWidth", Numbers), ("PersistentTokens", Numbers), ("RotaryBase", RealNumbers), ("Attention", [$"(TitansAttention)({random.Next(-1, 3)})"]), ("Reads", [$"(TitansRead)({random.Next(-1, 3)})"]), ("Decay", [$"(TitansDecay)({random.Next(-1, 3)})"]), ("DecayTo", [$"(TitansDecayTarget)({random.Next(-1, 3)})"]), ("Persistent", [$"(TitansPersistent)({random.Next(-1, 3)})"]), ("Squash", [$"(TitansSquash)({random.Next(-1, 3)})"]), ("Activation", [$"(TitansActivation)({random.Next(-1, 3)})"]), ("Residual", ["true"]), ("Muon", ["true"]), ("WeightNorm", ["true", "false"]), ("AdaptiveStep", ["false"]), ("Momentum", ["false"]), ("Forgetting", ["false"]), ("FeedForward", Numbers))})] ";

        // Every option that is written differently, alone and together.
        int variant = random.Next(4);
        string Maybe(string option) => random.Next(2) == 0 ? ", " + option : "";
        string forgetting = random.Next(3) == 0 ? ", Forgetting = false" : Maybe("Decay = TitansDecay.BeforeGradient") + Maybe("DecayTo = TitansDecayTarget." + Pick(random, ["Zero", "Initial"]));
        string network = random.Next(2) == 0 ? (random.Next(4) == 0 ? ", GatedLinearUnit = true" : ", MemoryDepth = " + random.Next(2, 5)) + ", InnerClip = 1" + Maybe("Activation = TitansActivation.Gelu") + Maybe("Expansion = 3") : Maybe("InnerClip = 0.5");
        string muon = variant != 1 && random.Next(4) == 0 ? ", Muon = true" + Maybe("WeightNorm = true") : $", Block = {Pick(random, ["1", "8", "32"])}{Maybe("AdaptiveStep = false")}";
        string persistent = random.Next(3) == 0 ? "" : ", PersistentTokens = 3" + (variant > 0 ? Maybe("Persistent = TitansPersistent.KeyValue") : "");
        string attention = variant == 0 ? "" : ", Window = 32" + Maybe("RotaryBase = 0") + (variant > 1 ? Maybe("Attention = TitansAttention.Segmented") : "") + (variant < 3 ? Maybe("Squash = TitansSquash.Memory") : "")
            + (variant == 1 ? Maybe("BackpropSegments = 3") : "");
        return $"[TitansMemory((TitansVariant){variant}, Heads = {Pick(random, ["1", "4", "8"])}{attention}{network}{forgetting}{persistent}{muon}"
            + $"{Maybe("Residual = true")}{Maybe("Reads = TitansRead.BlockStart")}{Maybe("Momentum = false")}{Maybe("MaxStep = 0.5")}{Maybe("ConvWidth = 0")}{Maybe("UnitLength = false")})] ";
    }

    private static string Wrapper(Random random, bool good)
    {
        string Maybe(string option) => random.Next(2) == 0 ? ", " + option : "";
        if (good)
            return random.Next(2) == 0
                ? $"[HierarchicalMemory(SegmentTokens = {random.Next(100, 200)}{Maybe("SensoryTokens = 9")}{Maybe("BackpropSegments = 1")}{Maybe("LossScope = LossScope.LastSegment")}"
                    + (random.Next(3) == 0 ? ", Recall = false" : Maybe("RecallSlots = 3") + Maybe("RecallDim = 7") + Maybe("RecallScale = 2") + Maybe("CausalRecall = false") + Maybe("OneEndedSummary = true")) + ")] "
                : $"[RecurrentMemory(SegmentTokens = {random.Next(100, 200)}, MemoryTokens = {random.Next(1, 5)}{Maybe("WriteInit = WriteInit.Learned")}{Maybe("BackpropSegments = 2")})] ";
        return random.Next(2) == 0
            ? $"[HierarchicalMemory({Arguments(random, ("SegmentTokens", Numbers), ("SensoryTokens", Numbers), ("Recall", ["false"]), ("RecallSlots", Numbers), ("RecallDim", Numbers), ("RecallScale", RealNumbers), ("SummaryFraction", RealNumbers), ("CausalRecall", ["false"]), ("OneEndedSummary", ["true"]), ("BackpropSegments", Numbers), ("LossScope", [$"(LossScope)({random.Next(-1, 4)})"]), ("LossTokens", Numbers))})] "
            : $"[RecurrentMemory({Arguments(random, ("SegmentTokens", Numbers), ("MemoryTokens", Numbers), ("WriteInit", [$"(WriteInit)({random.Next(-1, 3)})"]), ("BackpropSegments", Numbers), ("LossScope", [$"(LossScope)({random.Next(-1, 4)})"]), ("LossTokens", Numbers))})] ";
    }

    private static string Letter(Random random) => Pick(random, ["", "'A', ", "'B', ", "'a', ", "'1', ", "'\\0', "]);

    private static string Arguments(Random random, params (string Name, string[] Values)[] all) => string.Join(
        ", ", all.Where(_ => random.Next(2) == 0).Select(a => $"{a.Name} = {Pick(random, a.Values)}").DefaultIfEmpty(all[0].Name + " = 1"));

    private static string Pick(Random random, string[] values) => values[random.Next(values.Length)];
}
