using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

namespace Memory.Gen.Generators.Writing;

/// <summary>
/// The short names of emitted code. Emitters write them plainly; where the surroundings of a class already use one, it is
/// written under another name throughout the file.
/// </summary>
internal static class Aliases
{
    private const string Torch = "global::TorchSharp.torch";
    private const string Modules = "global::TorchSharp.Modules";
    private const string Runtime = "global::Memory.Gen.Runtime";

    /// <summary>Short name and what it stands for, in the order in which a file lists them.</summary>
    public static readonly IReadOnlyList<(string Name, string Target)> All =
    [
        ("Math", "global::System.Math"),
        ("TensorList", $"global::System.Collections.Generic.List<{Torch}.Tensor>"),
        ("Tensors", $"global::System.Collections.Generic.IReadOnlyList<{Torch}.Tensor>"),
        ("torch", Torch),
        ("nn", Torch + ".nn"),
        ("functional", Torch + ".nn.functional"),
        ("Device", Torch + ".Device"),
        ("ScalarType", Torch + ".ScalarType"),
        ("Tensor", Torch + ".Tensor"),
        ("Linear", Modules + ".Linear"),
        ("Parameter", Modules + ".Parameter"),
        ("TitansActivation", "global::Memory.Gen.TitansActivation"),
        ("AlignedSegment", Runtime + ".AlignedSegment"),
        ("CallInput", Runtime + ".CallInput"),
        ("EideticSlots", Runtime + ".EideticSlots"),
        ("LayerState", Runtime + ".LayerState"),
        ("MemoryCard", Runtime + ".MemoryCard"),
        ("MemoryState", Runtime + ".MemoryState"),
        ("RaggedSegment", Runtime + ".RaggedSegment"),
        ("SegmentRows", Runtime + ".SegmentRows"),
        ("StateTensor", Runtime + ".StateTensor"),
        ("TitansBlocks", Runtime + ".TitansBlocks"),
        ("WindowState", Runtime + ".WindowState"),
        ("Embedding", Runtime + ".Modules.Embedding"),
        ("Initialize", Runtime + ".Modules.Initialize"),
        ("RmsNorm", Runtime + ".Modules.RmsNorm"),
        ("RoutedLinear", Runtime + ".Modules.RoutedLinear"),
        ("RoutedProjection", Runtime + ".Modules.RoutedProjection"),
        ("ShortConvolution", Runtime + ".Modules.ShortConvolution"),
        ("BonusDecay", Runtime + ".Operators.BonusDecay"),
        ("ChannelDecay", Runtime + ".Operators.ChannelDecay"),
        ("ChannelDeltaRule", Runtime + ".Operators.ChannelDeltaRule"),
        ("DeltaProduct", Runtime + ".Operators.DeltaProduct"),
        ("DeltaRule", Runtime + ".Operators.DeltaRule"),
        ("EideticOptions", Runtime + ".Operators.EideticOptions"),
        ("FadingKeys", Runtime + ".Operators.FadingKeys"),
        ("FeatureMaps", Runtime + ".Operators.FeatureMaps"),
        ("FixedDecay", Runtime + ".Operators.FixedDecay"),
        ("GatedDeltaRule", Runtime + ".Operators.GatedDeltaRule"),
        ("GatedSlotAttention", Runtime + ".Operators.GatedSlotAttention"),
        ("GeneralizedDeltaRule", Runtime + ".Operators.GeneralizedDeltaRule"),
        ("Innovation", Runtime + ".Operators.Innovation"),
        ("LinearAttention", Runtime + ".Operators.LinearAttention"),
        ("LogDecay", Runtime + ".Operators.LogDecay"),
        ("NewestSoftmax", Runtime + ".Operators.NewestSoftmax"),
        ("Projection", Runtime + ".Operators.Projection"),
        ("QueryChunks", Runtime + ".Operators.QueryChunks"),
        ("Rotary", Runtime + ".Operators.Rotary"),
        ("Routing", Runtime + ".Operators.Routing"),
        ("ScalarDecay", Runtime + ".Operators.ScalarDecay"),
        ("SegmentAttention", Runtime + ".Operators.SegmentAttention"),
        ("SelectiveScan", Runtime + ".Operators.SelectiveScan"),
        ("SlotEviction", Runtime + ".Operators.SlotEviction"),
        ("Softplus", Runtime + ".Operators.Softplus"),
        ("StateRates", Runtime + ".Operators.StateRates"),
        ("SwiGlu", Runtime + ".Operators.SwiGlu"),
        ("TitansLinear", Runtime + ".Operators.TitansLinear"),
        ("TitansMlp", Runtime + ".Operators.TitansMlp"),
        ("TitansMlpRead", Runtime + ".Operators.TitansMlpRead"),
        ("TitansOptions", Runtime + ".Operators.TitansOptions"),
        ("UnitLength", Runtime + ".Operators.UnitLength"),
    ];

    /// <summary>For each short name the names that are tried in turn, itself first.</summary>
    public static readonly IReadOnlyList<string[]> Choices = All.Select(a => new[] { a.Name, Other(a.Name), Other(a.Name) + "_" }).ToArray();

    /// <summary>The alias directives that a text needs, and the text, with every name free of what surrounds it.</summary>
    /// <param name="body">Emitted code with the plain short names.</param>
    /// <param name="hidden">Names taken by the surroundings.</param>
    /// <param name="nested">Names of the private types inside the emitted class, which may also be renamed.</param>
    public static (IReadOnlyList<string> Directives, string Body) Resolve(
        string body, ICollection<string> hidden, IReadOnlyCollection<string> nested)
    {
        var renames = new Dictionary<string, string>(StringComparer.Ordinal);
        var directives = new List<string>();
        foreach ((string name, string target) in All)
            if (!nested.Contains(name) && Occurs(name).IsMatch(body))
                directives.Add($"using {Free(name, Other(name))} = {target};");
        foreach (string name in nested)
            Free(name, "Memory" + name);
        foreach (KeyValuePair<string, string> rename in renames)
            body = Occurs(rename.Key).Replace(body, rename.Value);
        return (directives, body);

        string Free(string name, string other)
        {
            string free = hidden.Contains(name) ? other : name;
            while (hidden.Contains(free))
                free += "_";
            if (free != name)
                renames[name] = free;
            return free;
        }
    }

    private static string Other(string name) => char.IsLower(name[0]) ? "torch_" + name : "Torch" + name;

    // Not behind a dot (a member), a quote or a letter.
    private static Regex Occurs(string name) => new($@"(?<![\w.@""]){name}(?![\w""])", RegexOptions.CultureInvariant);
}
