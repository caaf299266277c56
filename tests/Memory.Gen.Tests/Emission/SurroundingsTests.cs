using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Emission;

/// <summary>Emitted code compiles without a warning wherever the class stands and whatever is called what around it.</summary>
public class SurroundingsTests
{
    private const string Declaration = """
        /// <summary>A model.</summary>
        [global::Memory.Gen.MemoryModel(VocabSize = 256, Dim = 64, Pattern = "DALA")]
        [global::Memory.Gen.LinearMemory('D', Heads = 4)]
        [global::Memory.Gen.LinearMemory('L', Heads = 4, Rule = global::Memory.Gen.MemoryRule.Linear)]
        [global::Memory.Gen.SlidingAttention('A', Heads = 4, Window = 8)]
        public sealed partial class Journal
        """;

    // The same class with every kind of memory in one pattern, with one around them all, as a layer, and with a mistake.
    private static readonly string[] Others =
    [
        Declaration,
        .. new[] { "HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 4)", "RecurrentMemory(SegmentTokens = 64, MemoryTokens = 2)" }.Select(wrapper => $"""
        /// <summary>A model.</summary>
        [global::Memory.Gen.MemoryModel(VocabSize = 256, Dim = 64, Pattern = "SPMTCGLBA")]
        [global::Memory.Gen.SelectiveStateSpace('S')]
        [global::Memory.Gen.LinearMemory('P', Heads = 4, Rule = global::Memory.Gen.MemoryRule.ScalarDecay, StateSpace = true)]
        [global::Memory.Gen.MixtureOfMemories('M', Heads = 4)]
        [global::Memory.Gen.TitansMemory('T', global::Memory.Gen.TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2)]
        [global::Memory.Gen.TitansMemory('C', global::Memory.Gen.TitansVariant.Context, Heads = 4, Window = 8, Block = 4, PersistentTokens = 2)]
        [global::Memory.Gen.TitansMemory('G', global::Memory.Gen.TitansVariant.Gate, Heads = 4, Window = 8)]
        [global::Memory.Gen.TitansMemory('L', global::Memory.Gen.TitansVariant.Layer, Heads = 4, Window = 8)]
        [global::Memory.Gen.BMojoMemory('B', Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2)]
        [global::Memory.Gen.SlidingAttention('A', Heads = 4, Window = 8)]
        [global::Memory.Gen.{wrapper}]
        public sealed partial class Journal
        """),
        .. new[] { "MemoryLayer(Dim = 64), global::Memory.Gen.LinearMemory(Heads = 4)", "MemoryLayer(Dim = 64), global::Memory.Gen.LinearMemory", "MemoryModel, global::Memory.Gen.RecurrentMemory" }.Select(attributes => $"""
        /// <summary>A layer, or what is written for a declaration with an error.</summary>
        [global::Memory.Gen.{attributes}]
        public sealed partial class Journal
        """),
    ];

    [Theory]
    [InlineData(LanguageVersion.CSharp12, NullableContextOptions.Enable)]
    [InlineData(LanguageVersion.CSharp12, NullableContextOptions.Disable)]
    [InlineData(LanguageVersion.Latest, NullableContextOptions.Enable)]
    [InlineData(LanguageVersion.Latest, NullableContextOptions.Disable)]
    [InlineData(LanguageVersion.Preview, NullableContextOptions.Annotations)]
    public void EveryLanguageVersionAndNullability(LanguageVersion language, NullableContextOptions nullable) =>
        AssertCompiles("namespace Samples; " + Declaration + ";", language, nullable);

    [Theory]
    [InlineData("the global namespace", Declaration + ";")]
    [InlineData("a namespace of dots", "namespace Company.Product.Models; " + Declaration + ";")]
    [InlineData("keywords as names", "namespace @class.@event; /// <summary>Outer.</summary>\npublic partial class @record { " + Declaration + "; }")]
    [InlineData("nested types of every kind", """
        namespace Samples;
        /// <summary>Outer.</summary>
        public partial record struct Outer { /// <summary>Inner.</summary>
        public partial interface Inner { /// <summary>Innermost.</summary>
        public static partial class Innermost { 
        """ + Declaration + "; } } }")]
    [InlineData("types with the names of short names", "namespace Samples; " + Declaration + """
        ;
        internal class Tensor; internal class Linear; internal class State; internal class nn; internal class torch; internal class Device;
        internal class MemoryState; internal class Layer; internal class FeedForward; internal class StateTensor; internal class TorchTensor;
        """)]
    [InlineData("types with those names in the global namespace", Declaration + """
        ;
        internal class Tensor; internal class Linear; internal class State; internal class nn; internal class torch; internal class Device;
        """)]
    [InlineData("members with the names of short names", "namespace Samples; " + Declaration + """
         { internal int Tensor => 1; internal int torch => 2; internal int Memory => 3; internal int Gen => 4; internal int nn => 5; }
        """)]
    [InlineData("nested types with the names of emitted ones", "namespace Samples; " + Declaration + """
         { private class Layer; private class FeedForward; private class SlidingAttention; private class GatedDeltaState; internal class Tensor; }
        """)]
    [InlineData("outer types with members of those names", "namespace Samples; internal partial class Outer { internal int Tensor => 1; internal class Linear; " + """
        internal static int torch() => 1; 
        """ + Declaration + "; }")]
    [InlineData("an outer type that inherits those names", "namespace Samples; internal class Ancestor { protected class Tensor; protected static int nn() => 1; } internal partial class Outer : Ancestor { " + Declaration + "; }")]
    [InlineData("namespaces called Memory, Gen and TorchSharp", "namespace X.Memory.Gen.TorchSharp; " + Declaration + "; internal class Runtime; internal class System;")]
    [InlineData("child namespaces called torch and Tensor", "namespace Samples.torch { internal class Anything; } namespace Samples.Tensor { internal class Anything; } namespace Samples { " + Declaration + "; }")]
    [InlineData("a class called Memory in its namespace", "namespace X; internal class Memory; internal class Gen; " + Declaration + ";")]
    [InlineData("types called like words that are keywords in their place", "namespace Samples; " + Declaration + """
        ; internal class @nint; internal class @record; internal class @field; internal class @scoped; internal class @file; internal class @required;
        internal class @notnull; internal class @nameof; internal class @partial; internal class @where; internal class @when; internal class @not; internal class @with; internal class @await; internal class @dynamic; internal class @_;
        """)]
    [InlineData("members called like such words", "namespace Samples; " + Declaration + """
         { internal int @dynamic => 1; internal int @nint() => 1; internal int @var => 1; internal int @nameof => 1; internal int @field => 1; internal int @value => 1; internal const int @_ = 1; internal int @args => 1; internal class @record; }
        """)]
    [InlineData("aliases for the whole project", "global using Tensor = System.String; global using nn = System.Int32; " + Declaration + ";")]
    [InlineData("implicit usings", "global using System; global using System.IO; global using System.Linq; global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks; " + Declaration + ";")]
    [InlineData("aliases in the file", "using Tensor = System.String; namespace Samples; " + Declaration + " { internal static Tensor Name => \"\"; }")]
    [InlineData("usings of TorchSharp for the whole project", "global using TorchSharp; global using static TorchSharp.torch; global using TorchSharp.Modules; " + Declaration + ";")]
    public void EverySurrounding(string surrounding, string source)
    {
        Assert.NotEmpty(surrounding);
        AssertCompiles(source, LanguageVersion.CSharp12, NullableContextOptions.Enable);
        foreach (string declaration in Others)
            AssertCompilesWithoutReferences(source.Replace(Declaration, declaration));
    }

    [Fact]
    public void LocalsOfTheProgramsOwnStatements()
    {
        CSharpCompilation program = Compile.Library(
            "int torch = 1, Rotary = 2; System.Console.WriteLine(torch + Rotary + Tensor()); if (int.TryParse(\"1\", out int nn)) System.Console.WriteLine(nn); static int Tensor() => 3;\n"
            + Declaration + ";");
        program = Compile.WithEmitted(program.WithOptions(program.Options.WithOutputKind(OutputKind.ConsoleApplication)));
        Assert.Empty(program.GetDiagnostics().Where(d => d.Severity >= DiagnosticSeverity.Warning));
    }

    [Theory]
    [InlineData("SlidingAttention(Heads = 4)")]
    [InlineData("SlidingAttention(Heads = 4, Window = 1, KeyValueHeads = 1, RotaryBase = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Relu, Normalized = true)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, UnitLength = true, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, ValueDim = 20, Normalized = true)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, OutputGate = false)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.TiedDecay)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.TiedDecay, KeyDim = 5, ValueDim = 7, ConvWidth = 0, OutputGate = false)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.ChannelDecay, KeyDim = 5, ValueDim = 7)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Delta, NegativeEigenvalues = true)")]
    [InlineData("LinearMemory(Heads = 4, RotaryBase = 10_000)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.ChannelDelta, KeyDim = 5, ValueDim = 7, NegativeEigenvalues = true, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 4, FeedForward = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 2)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 4, FeedForward = 0)")]
    [InlineData("SelectiveStateSpace")]
    [InlineData("SelectiveStateSpace(Expansion = 1, StateDim = 1, ConvWidth = 2, StepRank = 1)")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, MaxStep = 1)")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, Muon = true, Momentum = false, PersistentTokens = 2)")]
    [InlineData("TitansMemory(TitansVariant.Layer, Heads = 4, Window = 8, Muon = true, Forgetting = false, PersistentTokens = 2)")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, Block = 4, GatedLinearUnit = true, Muon = true, WeightNorm = true)")]
    [InlineData("MixtureOfMemories(Heads = 4)")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 1, TopK = 1, Rule = MemoryRule.Linear, SharedMemory = false, ConvWidth = 0)")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.ScalarDecay, SharedProjections = true, BalanceLoss = 0, OutputGate = false)")]
    [InlineData("MixtureOfMemories(Heads = 3, Rule = MemoryRule.ChannelDecay, KeyDim = 5, ValueDim = 7, UnitLength = true)")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Delta, SharedMemory = false, SharedProjections = true)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.GeneralizedDelta, KeyDim = 5, ValueDim = 7, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GeneralizedDelta, OutputGate = false)")]
    [InlineData("LinearMemory(Heads = 4, Householders = 3, NegativeEigenvalues = true)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.Delta, Householders = 2, KeyDim = 4, ValueDim = 7, ConvWidth = 0, RotaryBase = 10, OutputGate = false)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.BonusDecay, KeyDim = 5, ValueDim = 7, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.BonusDecay, UnitLength = true, OutputGate = false)")]
    [InlineData("LinearMemory(Heads = 4, KeyHeads = 2)")]
    [InlineData("LinearMemory(Heads = 4, KeyHeads = 1, Rule = MemoryRule.Delta, Householders = 2, KeyDim = 4, ValueDim = 7, ConvWidth = 0, RotaryBase = 10)")]
    [InlineData("LinearMemory(Heads = 6, KeyHeads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, Normalized = true, KeyDim = 4, ValueDim = 7)")]
    [InlineData("LinearMemory(Heads = 4, KeyHeads = 2, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GatedSlots, UnitLength = true)")]
    [InlineData("LinearMemory(Heads = 3, Rule = MemoryRule.GatedSlots, Slots = 2, KeyDim = 4, ValueDim = 7, ConvWidth = 0, RotaryBase = 10, OutputGate = false)")]
    [InlineData("MixtureOfMemories(Heads = 3, Rule = MemoryRule.ChannelDelta, KeyDim = 5, ValueDim = 7, SharedProjections = true)")]
    [InlineData("MixtureOfMemories(Heads = 3, Rule = MemoryRule.BonusDecay, KeyDim = 5, ValueDim = 7, SharedProjections = true)")]
    [InlineData("MixtureOfMemories(Heads = 3, KeyDim = 5, ValueDim = 7, Householders = 3, NegativeEigenvalues = true, ConvWidth = 0)")]
    [InlineData("MixtureOfMemories(Heads = 4, KeyHeads = 1, KeyDim = 5, Householders = 2, ConvWidth = 0, SharedMemory = false)")]
    [InlineData("MixtureOfMemories(Heads = 3, Rule = MemoryRule.GatedSlots, Slots = 2, KeyDim = 5, ValueDim = 7, ConvWidth = 0, UnitLength = true)")]
    [InlineData("MixtureOfMemories(Heads = 3, Rule = MemoryRule.TiedDecay, KeyDim = 5, ValueDim = 7, SharedProjections = true, OutputGate = false)")]
    [InlineData("MixtureOfMemories(Heads = 3, Rule = MemoryRule.GeneralizedDelta, KeyDim = 5, ValueDim = 7, SharedProjections = true, OutputGate = false)")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans, Memories = 8, TopK = 8, FeedForward = 0)")]
    public void EveryOption(string mixer)
    {
        AssertCompiles(Declarations.Model($"[{mixer}]").Replace("public sealed", "internal sealed"), LanguageVersion.CSharp12, NullableContextOptions.Enable);
        if (!mixer.Contains("FeedForward"))
            AssertCompiles(Declarations.Layer($"[{mixer}]").Replace("public sealed", "internal sealed"), LanguageVersion.CSharp12, NullableContextOptions.Enable);
    }

    [Theory]
    [InlineData("GatedDeltaMemory")]
    [InlineData("GatedDeltaState")]
    [InlineData("GatedDeltaRule")]
    [InlineData("Layer")]
    [InlineData("FeedForward")]
    [InlineData("LayerState")]
    [InlineData("Tensor")]
    [InlineData("Device")]
    [InlineData("nn")]
    public void AClassOrTheTypeAroundItWithAnEmittedName(string name)
    {
        string model = Declaration.Replace("Journal", name) + ";";
        string layer = $"/// <summary>A layer.</summary>\n[global::Memory.Gen.MemoryLayer(Dim = 64), global::Memory.Gen.LinearMemory(Heads = 4)] public sealed partial class {name};";
        string mistake = model.Replace("Dim = 64", "Dim = 0");
        foreach (string source in new[] { model, layer, mistake, $"/// <summary>Outer.</summary>\npublic partial class {name} {{ {Declaration}; }}" })
            AssertOneCompiles("namespace Samples; " + source, LanguageVersion.CSharp12, NullableContextOptions.Enable);
    }

    private static void AssertCompiles(string source, LanguageVersion language, NullableContextOptions nullable)
    {
        foreach (string declaration in source.Contains(Declaration) ? Others : [source])
            AssertOneCompiles(source.Replace(Declaration, declaration), language, nullable);
    }

    // What is written where TorchSharp or the runtime is missing; the source itself may use them.
    private static void AssertCompilesWithoutReferences(string source)
    {
        foreach (string missing in new[] { "TorchSharp.", "Memory.Gen.Runtime." })
        {
            CSharpCompilation compilation = Compile.WithEmitted(Compile.Library(source, references: Compile.References(without: missing), documented: true));
            SyntaxTree written = Assert.Single(compilation.SyntaxTrees, t => t != compilation.SyntaxTrees[0]);
            Assert.Equal("", Report(compilation.GetDiagnostics().Where(d => d.Location.SourceTree == written)));
        }
    }

    private static string Report(IEnumerable<Diagnostic> diagnostics) =>
        string.Join("\n", diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning).Take(5));

    private static void AssertOneCompiles(string source, LanguageVersion language, NullableContextOptions nullable)
    {
        CSharpCompilation compilation = Compile.WithEmitted(Compile.Library(source, language, nullable, documented: true));
        Assert.Equal(3, compilation.SyntaxTrees.Length); // the source, what is written for the class, and for the assembly
        using var assembly = new MemoryStream();
        Assert.Equal("", Report(compilation.Emit(assembly).Diagnostics
            .Where(d => d.DefaultSeverity == DiagnosticSeverity.Error || d.Location.SourceTree != compilation.SyntaxTrees[0])));
    }
}
