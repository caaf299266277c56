using System.Globalization;
using System.Text.RegularExpressions;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Documentation;

/// <summary>The pages of the architectures name every option, and its default and range are what they say.</summary>
public partial class OptionTests
{
    // Declarations in which options have a meaning: each option is tried in the first that lets it stand. Dim is 64.
    private static readonly Dictionary<string, (string Page, string[] Declared)> Attributes = new()
    {
        ["MemoryModel"] = ("model", ["VocabSize = 256, Dim = 64, Layers = 2"]),
        ["MemoryLayer"] = ("model", ["Dim = 64"]),
        ["SlidingAttention"] = ("sliding-attention", ["Heads = 4", "Heads = 4, Window = 8"]),
        ["LinearMemory"] = ("linear-memory",
        [
            "Heads = 4", "Heads = 4, Rule = MemoryRule.Linear", "Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Relu",
            "Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true", "Heads = 4, Rule = MemoryRule.ScalarDecay", "Heads = 4, Rule = MemoryRule.GatedSlots",
        ]),
        ["LinearMemory as a state space"] = ("selective-state-space", ["Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true"]),
        ["SelectiveStateSpace"] = ("selective-state-space", [""]),
        ["MixtureOfMemories"] = ("mixture-of-memories", ["Heads = 4", "Heads = 4, Rule = MemoryRule.GatedSlots"]),
        ["TitansMemory"] = ("titans",
        [
            "TitansVariant.Gate, Heads = 4, Window = 8", "TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2",
            "TitansVariant.Gate, Heads = 4, Window = 8, PersistentTokens = 2", "TitansVariant.Context, Heads = 4, Window = 16",
            "TitansVariant.MemoryOnly, Heads = 4, Muon = true",
        ]),
        ["BMojoMemory"] = ("bmojo", ["Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2", "Heads = 4, Window = 8, FadingTokens = 2", "Heads = 4, Window = 8"]),
        ["HierarchicalMemory"] = ("hierarchical-memory", ["SegmentTokens = 64", "SegmentTokens = 64, LossScope = LossScope.LastNTokens, LossTokens = 4"]),
        ["RecurrentMemory"] = ("hierarchical-memory", ["SegmentTokens = 64, MemoryTokens = 2", "SegmentTokens = 64, MemoryTokens = 2, LossScope = LossScope.LastNTokens, LossTokens = 4"]),
    };

    // Defaults that follow from others, in those declarations.
    private static readonly Dictionary<string, string> Followed = new()
    {
        ["`Dim / Heads`"] = "16", ["2 `Dim / Heads`"] = "32", ["`Dim / 16`, rounded up"] = "4", ["`Heads`"] = "4", ["`Window`"] = "8", ["`Dim`"] = "64",
        ["`RecallDim^-1/2`"] = "0.125", ["8/3 `Dim`, rounded up to a multiple of 32"] = "192",
    };

    // What has no value that could be written.
    private static readonly string[] Words = ["the model's", "none", "no limit", "the whole past", "just before the window"];

    public static TheoryData<string, string> WithDefault => Options(r => !r.Absent.StartsWith("required", StringComparison.Ordinal) && !Words.Contains(r.Absent));

    public static TheoryData<string, string> Required => Options(r => r.Absent == "required");

    public static TheoryData<string, string> WithRange => Options(r => RangePattern().IsMatch(r.Range));

    [Fact]
    public void EveryOptionHasARowAndEveryRowAnOption()
    {
        foreach (Type attribute in typeof(MemoryModelAttribute).Assembly.GetExportedTypes().Where(t => t.IsSubclassOf(typeof(Attribute)) && !t.IsAbstract))
        {
            string name = attribute.Name.Replace("Attribute", "");
            IEnumerable<string> options = attribute.GetProperties().Where(p => p.CanWrite).Select(p => p.Name);
            Assert.Equal(options.Order(StringComparer.Ordinal), Rows(name).Select(r => r.Name).Order(StringComparer.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(WithDefault))]
    public void TheDefaultIsWhatThePageSays(string attribute, string option)
    {
        string absent = Rows(attribute).Single(r => r.Name == option).Absent;
        string value = Followed.TryGetValue(absent, out string? followed) ? followed : Written(absent, option, attribute);
        Assert.Contains(Attributes[attribute].Declared, declared =>
            !Names(declared, option) && Emitted(attribute, $"{declared}, {option} = {value}") is { } written && written == Emitted(attribute, declared));
    }

    [Theory]
    [MemberData(nameof(Required))]
    public async Task WhatIsRequiredCannotBeLeftOut(string attribute, string option)
    {
        string declared = Attributes[attribute].Declared.FirstOrDefault(d => Names(d, option), "");
        string without = string.Join(", ", declared.Split(", ").Where(a => !Names(a, option)));
        Assert.Contains(await Errors(attribute, without), d => d.GetMessage(CultureInfo.InvariantCulture).StartsWith(option + " is not given", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(WithRange))]
    public async Task OutsideItsRangeIsAnError(string attribute, string option)
    {
        string range = Rows(attribute).Single(r => r.Name == option).Range;
        Match ends = RangePattern().Match(range);
        double low = Number(ends.Groups[1].Value), high = Number(ends.Groups[2].Value);
        double[] outside = PropertyOf(attribute, option) == typeof(int) ? [low - 1, high + 1] : [low - (Math.Abs(low) * 0.01) - 1e-9, high * 1.01];
        foreach (double value in outside.Where(v => !(v == 0 && range.EndsWith("or 0", StringComparison.Ordinal))))
        {
            bool reported = false;
            foreach (string declared in Attributes[attribute].Declared)
                reported = reported || (await Errors(attribute, With(declared, option, value.ToString("R", CultureInfo.InvariantCulture)))).Any(d => d.Id != "MEMGEN204");
            Assert.True(reported, $"{option} = {value} is not in {range}, but nothing says so.");
        }
    }

    [Theory]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2", "MaxStep = 0.25")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true", "MemoryDepth = 2")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3", "DecayTo = TitansDecayTarget.Initial")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true", "DecayTo = TitansDecayTarget.Initial")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, Block = 1", "InnerClip = 0")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2, Block = 1", "InnerClip = 1")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, Muon = true", "Reads = TitansRead.BlockStart")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, Muon = true", "Block = 64")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, Muon = true", "MaxStep = 0.25")]
    [InlineData("TitansMemory", "TitansVariant.MemoryOnly, Heads = 4, Muon = true", "InnerClip = 0")]
    [InlineData("TitansMemory", "TitansVariant.Context, Heads = 4, Window = 16", "Attention = TitansAttention.Segmented")]
    [InlineData("BMojoMemory", "Heads = 4, Window = 8", "WindowMode = BMojoWindow.Sliding")]
    [InlineData("BMojoMemory", "Heads = 4, Window = 8", "Fading = FadingState.None")]
    [InlineData("LinearMemory", "Heads = 4, Rule = MemoryRule.ChannelDecay", "UnitLength = false")]
    [InlineData("MixtureOfMemories", "Heads = 4, Rule = MemoryRule.Linear", "UnitLength = false")]
    public void ADefaultThatDependsOnOthers(string attribute, string declared, string given) =>
        Assert.Equal(Emitted(attribute, declared), Emitted(attribute, $"{declared}, {given}"));

    // Of the page's tables those whose options this attribute has; a state space's stand in the second table of its page.
    private static IEnumerable<OptionRow> Rows(string attribute)
    {
        OptionRow[] rows = [.. new Page($"docs/architectures/{Attributes[attribute].Page}.md").Options];
        IEnumerable<OptionRow> own = rows.Where(r => PropertyOf(attribute, r.Name) is not null);
        return attribute.Contains(' ') ? own.Where(r => r.Name != "FeedForward").Reverse().DistinctBy(r => r.Name) : own.DistinctBy(r => r.Name);
    }

    private static TheoryData<string, string> Options(Func<OptionRow, bool> where)
    {
        var options = new TheoryData<string, string>();
        foreach (string attribute in Attributes.Keys)
            foreach (OptionRow row in Rows(attribute).Where(where))
                options.Add(attribute, row.Name);
        return options;
    }

    private static Type? PropertyOf(string attribute, string option) =>
        typeof(MemoryModelAttribute).Assembly.GetType($"Memory.Gen.{attribute.Split(' ')[0]}Attribute")!.GetProperty(option) is { CanWrite: true } property ? property.PropertyType : null;

    private static bool Names(string declared, string option) => Regex.IsMatch(declared, $@"\b{option} =");

    private static string With(string declared, string option, string value) =>
        string.Join(", ", declared.Split(", ").Where(a => a.Length > 0 && !Names(a, option)).Append($"{option} = {value}"));

    // A number, a truth value or the name of an enum's value, at the beginning of what the page says.
    private static string Written(string absent, string option, string attribute)
    {
        string first = absent.Split([' ', ';'])[0].Trim('`', ',');
        Type type = PropertyOf(attribute, option)!;
        return type.IsEnum ? $"{type.Name}.{first}" : first.Replace(",", "");
    }

    private static double Number(string text) => double.Parse(text, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    private static string? Emitted(string attribute, string declared)
    {
        string source = Source(attribute, declared);
        string file = Compile.EmittedFile(source);
        return file.Contains("cannot be written", StringComparison.Ordinal) ? null : file;
    }

    private static async Task<IEnumerable<Diagnostic>> Errors(string attribute, string declared) =>
        (await Compile.Diagnostics(Compile.Library(Source(attribute, declared)))).Where(d => d.Id.StartsWith("MEMGEN", StringComparison.Ordinal));

    private static string Source(string attribute, string declared) => attribute.Split(' ')[0] switch
    {
        "MemoryModel" => Declarations.Model("[SlidingAttention(Heads = 4)]", declared),
        "MemoryLayer" => Declarations.Layer("[SlidingAttention(Heads = 4)]", declared),
        "HierarchicalMemory" or "RecurrentMemory" => Declarations.Model($"[SlidingAttention(Heads = 4)] [{attribute}({declared.TrimStart(',', ' ')})]"),
        var mixer => Declarations.Model($"[{mixer}({declared.TrimStart(',', ' ')})]"),
    };

    [GeneratedRegex(@"(-?[\d.,]+(?:e-?\d+)?) to ([\d.,]*\d(?:e-?\d+)?)")]
    private static partial Regex RangePattern();
}
