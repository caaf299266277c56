namespace Memory.Gen.Tests.Models;

/// <summary>Declarations of models and layers that are right, small enough to run, and put together as nobody would think of.</summary>
internal sealed class SmallDeclaration(Random random)
{
    private static readonly string[] Fadings = ["SelectiveScan", "ScalarDecay", "GatedDelta"];
    private static readonly string[] Rules = ["Linear", "ScalarDecay", "ChannelDecay", "Delta", "GatedDelta", "ChannelDelta", "Titans"];
    private static readonly string[] Scores = ["ReadoutLinear", "DeltaResidual", "Norm", "Random", "Recency"];
    private readonly int dim = new[] { 4, 6, 8, 12 }[random.Next(4)];
    private int rows = int.MaxValue; // of the windows that the layers read

    /// <summary>A class; nearly always one without a mistake.</summary>
    public string Class(string name)
    {
        if (random.Next(4) == 0)
            return $"[MemoryLayer(Dim = {dim})] {Mixer()} public sealed partial class {name};";
        string wrapper = random.Next(3) == 0 ? Wrapper() : "";
        string letters = "AbZ"[..random.Next(1, 4)];
        string mixers = string.Concat(letters.Select(letter => Mixer($"'{letter}', ")));
        return $"[MemoryModel(VocabSize = {random.Next(3, 20)}, Dim = {dim}, Pattern = \"{letters}{letters[0]}\", FeedForward = {Pick("0", "5")}{Maybe("TiedEmbeddings = true")})] {mixers}{wrapper} public sealed partial class {name};";
    }

    private string Wrapper()
    {
        int fresh = random.Next(1, 9), others = random.Next(4);
        if (random.Next(2) == 0)
        {
            rows = Math.Max(2, fresh) + (2 * others);
            return $"[RecurrentMemory(SegmentTokens = {rows}, MemoryTokens = {others}{(others > 0 ? Maybe("WriteInit = WriteInit.Learned") : "")})] ";
        }

        rows = fresh + Math.Min(others, fresh) + 2;
        return $"[HierarchicalMemory(SegmentTokens = {rows}, SensoryTokens = {Math.Min(others, fresh)}"
            + (random.Next(3) == 0 ? ", Recall = false" : Maybe("RecallSlots = 2") + Maybe("RecallDim = 5") + Maybe("SummaryFraction = 0.3") + Maybe("OneEndedSummary = true")) + ")] ";
    }

    private string Mixer(string letter = "") => random.Next(8) switch
    {
        0 => $"[SlidingAttention({letter}{Attention(Heads())}{Maybe($"Window = {Window()}")})] ",
        1 or 2 => Linear(letter),
        3 => Mixture(letter),
        4 => $"[SelectiveStateSpace({letter}StateDim = {random.Next(1, 9)}, Expansion = {random.Next(1, 4)}, ConvWidth = {random.Next(2, 7)})] ",
        5 => BMojo(letter),
        _ => Titans(letter),
    };

    private string Mixture(string letter)
    {
        string rule = Pick([.. Rules, "BonusDecay", "GatedSlots", "TiedDecay", "GeneralizedDelta"]), options = rule switch
        {
            "GatedSlots" => $", Slots = {random.Next(2, 8)}",
            "ChannelDelta" => Maybe("NegativeEigenvalues = true"),
            "Delta" or "GatedDelta" => Maybe("NegativeEigenvalues = true") + Maybe($"Householders = {random.Next(1, 5)}"),
            _ => "",
        };
        int heads = random.Next(1, 5);
        if (rule is "Linear" or "ScalarDecay" or "Delta" or "GatedDelta" or "Titans")
            options += Maybe("KeyHeads = " + KeyHeads(heads));
        return $"[MixtureOfMemories({letter}{Sizes(heads)}, {Routed()}, Rule = MemoryRule.{rule}{options}{Maybe("SharedMemory = false")}{Maybe("ConvWidth = 0")}{Maybe("OutputGate = false")})] ";
    }

    private string Routed()
    {
        int memories = random.Next(1, 6), topK = random.Next(1, memories + 1);
        return $"Memories = {memories}, TopK = {topK}{(topK == memories ? Maybe("BalanceLoss = 0") : Pick("", ", SharedProjections = true", ", BalanceLoss = 0"))}";
    }

    private string Linear(string letter)
    {
        int heads = random.Next(1, 5);
        if (random.Next(5) == 0)
            return $"[LinearMemory({letter}{Sizes(heads)}, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = {Pick("1", heads.ToString(System.Globalization.CultureInfo.InvariantCulture))})] ";
        string rule = Pick([.. Rules[..^1], "TiedDecay", "GeneralizedDelta", "GatedSlots", "BonusDecay"]), options = rule switch
        {
            "Linear" => Pick("", ", UnitLength = true", ", FeatureMap = FeatureMap.Relu", ", FeatureMap = FeatureMap.EluPlusOne, Normalized = true", ", FeatureMap = FeatureMap.Taylor" + Maybe("Normalized = true"), ", FeatureMap = FeatureMap.Hedgehog" + Maybe("Normalized = true")),
            "ScalarDecay" => Maybe("UnitLength = true") + Pick("", ", Decay = DecaySchedule.RetNet", ", Decay = DecaySchedule.Lightning"),
            "Delta" or "GatedDelta" => Maybe("NegativeEigenvalues = true") + Maybe($"Householders = {random.Next(1, 5)}"),
            "ChannelDelta" => Maybe("NegativeEigenvalues = true"),
            "TiedDecay" or "GeneralizedDelta" => "",
            "GatedSlots" => Maybe("UnitLength = true") + $", Slots = {random.Next(2, 8)}",
            _ => Maybe("UnitLength = true"),
        };
        if (rule is "Linear" or "ScalarDecay" or "Delta" or "GatedDelta")
            options += Maybe("KeyHeads = " + KeyHeads(heads));
        string sizes = Sizes(heads);
        if (rule is not ("ChannelDecay" or "BonusDecay" or "ChannelDelta" or "TiedDecay" or "GeneralizedDelta") && !options.Contains("Normalized") && !options.Contains("Taylor") && !options.Contains("Hedgehog") && random.Next(3) == 0)
            sizes = $"Heads = {heads}, KeyDim = {2 * random.Next(1, 5)}, RotaryBase = {Pick("1", "50.5")}";
        return $"[LinearMemory({letter}{sizes}, Rule = MemoryRule.{rule}{options}, ConvWidth = {Pick("0", "2", "5")}{Maybe("OutputGate = false")})] ";
    }

    // A LayerNorm of two features has little but their order left, so that its gradients are no larger than what rounding leaves.
    private string Titans(string letter)
    {
        string variant = Pick("MemoryOnly", "Context", "Gate", "Layer");
        int heads = Heads(), block = random.Next(1, 6), window = variant == "Context" ? block * random.Next(1, 3) : Window();
        if (window > rows)
            (block, window) = (1, rows);
        string attention = variant == "MemoryOnly" ? "" : $", Window = {window}{Rotary(heads)}"
            + (variant is "Gate" or "Layer" ? Maybe("Attention = TitansAttention.Segmented") : "") + (variant is "Gate" or "Context" ? Maybe("Squash = TitansSquash.Memory") : "");
        string network = random.Next(2) == 0 ? "" : $", {(random.Next(4) == 0 ? "GatedLinearUnit = true" : $"MemoryDepth = {random.Next(2, 5)}")}, Expansion = {random.Next(1, 4)}{Maybe("Activation = TitansActivation.Gelu")}";
        string forgetting = random.Next(3) == 0 ? ", Forgetting = false" : Maybe("Decay = TitansDecay.BeforeGradient") + Maybe("DecayTo = TitansDecayTarget." + Pick("Zero", "Initial"));
        string persistent = random.Next(2) == 0 ? "" : $", PersistentTokens = {random.Next(1, 8)}{(variant == "MemoryOnly" ? "" : Maybe("Persistent = TitansPersistent.KeyValue"))}";
        if (random.Next(4) == 0 && variant != "Context" && heads < dim && rows > 2 * block)
        {
            string muon = $", Muon = true{Maybe("WeightNorm = true")}{(block > 1 ? Maybe("Momentum = false") : "")}{Maybe("InnerClip = 0.5")}{Maybe("ConvWidth = 0")}{Maybe("Reads = TitansRead.BlockStart")}";
            return $"[TitansMemory({letter}TitansVariant.{variant}, Heads = {heads}, Block = {block}{attention}{network}, MaxStep = 0.1{forgetting}{persistent}{muon})] ";
        }

        return $"[TitansMemory({letter}TitansVariant.{variant}, Heads = {heads}, Block = {block}{attention}{network}, MaxStep = 0.1{forgetting}{persistent}{(2 * heads < dim ? Maybe("Residual = true") : "")}{(block < rows ? Maybe("Reads = TitansRead.BlockStart") : "")}"
            + $"{Maybe("AdaptiveStep = false")}{Pick("", ", Momentum = false", ", MaxMomentum = 0.5")}{Maybe("InnerClip = 0.5")}{Maybe("ConvWidth = 0")}{Maybe("UnitLength = false")})] ";
    }

    private string BMojo(string letter)
    {
        int heads = Heads(), window = Window();
        string score = Pick(Scores), mode = Pick("Sliding", "Blocked");
        bool hasSlots = random.Next(4) > 0, predicts = hasSlots && score is "ReadoutLinear" or "DeltaResidual", turns = dim / heads % 2 == 0;
        string fading = !predicts && random.Next(2) == 0 || rows <= window * (mode == "Sliding" ? 1 : 2) ? "" : $", FadingTokens = 3, Fading = FadingState.{Pick(Fadings)}{Maybe("FadingStride = 2")}{Maybe("TiedProjections = false")}{(mode == "Sliding" ? Maybe("FadingOffset = 1") : "")}";
        string slots = !hasSlots ? "" : $", EideticTokens = {random.Next(1, 6)}, Score = BMojoScore.{score}{(score == "ReadoutLinear" ? Maybe("PredictionLoss = 0") : "")}"
            + (score == "Recency" ? "" : Pick("", ", Threshold = 0.7", ", Threshold = 0.7, Eviction = BMojoEviction.Fifo", ", Threshold = 0.7, ScoreDecay = 0.6", ", ScoreDecay = 0.6"))
            + (turns ? Maybe("Positions = BMojoPositions.Absolute") : "") + (mode == "Sliding" ? Maybe("RefreshTokens = 3") : "");
        return $"[BMojoMemory({letter}Heads = {heads}, Window = {window}, WindowMode = BMojoWindow.{mode}{fading}{slots}{(turns ? "" : ", RotaryBase = 0")}{Maybe("KeyValueHeads = 1")}{Maybe("QueryKeyNorm = true")})] ";
    }

    private string Attention(int heads) => $"Heads = {heads}{Maybe("KeyValueHeads = 1")}{Rotary(heads)}";

    // Only pairs of features turn.
    private string Rotary(int heads) => dim / heads % 2 == 0 && random.Next(3) > 0 ? "" : ", RotaryBase = 0";

    private string Sizes(int heads) => $"Heads = {heads}, KeyDim = {random.Next(1, 9)}, ValueDim = {random.Next(1, 9)}";

    private int KeyHeads(int heads) => Enumerable.Range(1, heads).Where(h => heads % h == 0).OrderBy(_ => random.Next()).First();

    private int Heads() => Enumerable.Range(1, dim).Where(heads => dim % heads == 0).OrderBy(_ => random.Next()).First();

    private int Window() => random.Next(1, Math.Min(8, rows) + 1);

    private string Maybe(string option) => random.Next(2) == 0 ? ", " + option : "";

    private string Pick(params string[] values) => values[random.Next(values.Length)];
}
