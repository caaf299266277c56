using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Tests.Emission;

/// <summary>Nothing is written that the file does not use.</summary>
public class TidinessTests
{
    public static TheoryData<string> Kinds =>
    [
        .. Declarations.EveryKind,
        "[SlidingAttention(Heads = 4, KeyValueHeads = 2, RotaryBase = 0)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Relu, Normalized = true, ConvWidth = 0, OutputGate = false)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, Normalized = true)]",
        "[LinearMemory(Heads = 4, KeyHeads = 2, Householders = 2, ConvWidth = 0)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDecay)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.TiedDecay)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 2)]",
        "[MixtureOfMemories(Heads = 4, KeyHeads = 2, Householders = 2, ConvWidth = 0, SharedMemory = false)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.GatedSlots, ConvWidth = 0, SharedMemory = false, SharedProjections = true, OutputGate = false)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.TiedDecay, ConvWidth = 0, SharedMemory = false)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.GeneralizedDelta, ConvWidth = 0, SharedMemory = false)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.Delta, SharedMemory = false, SharedProjections = true, BalanceLoss = 0, ConvWidth = 0)]",
        "[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, AdaptiveStep = false, Momentum = false, Forgetting = false, ConvWidth = 0)]",
        "[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, MaxStep = 1, Momentum = false, Forgetting = false, ConvWidth = 0)]",
        "[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, MemoryDepth = 2, Residual = true, PersistentTokens = 2)]",
        "[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4, GatedLinearUnit = true, Activation = TitansActivation.Gelu)]",
        "[TitansMemory(TitansVariant.Layer, Heads = 4, Window = 8, Attention = TitansAttention.Segmented, PersistentTokens = 2, Persistent = TitansPersistent.KeyValue)]",
        "[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 8, BackpropSegments = 0, RotaryBase = 0)]",
        "[BMojoMemory(Heads = 4, Window = 8)]",
        "[BMojoMemory(Heads = 4, Window = 0, FadingTokens = 1, FadingOffset = 0)]",
        "[BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, Score = BMojoScore.Recency, RotaryBase = 0)]",
        "[BMojoMemory(Heads = 4, Window = 8, WindowMode = BMojoWindow.Sliding, EideticTokens = 4, FadingTokens = 2, Fading = FadingState.GatedDelta, TiedProjections = false, QueryKeyNorm = true)]",
        "[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 32, Recall = false)]",
        "[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 32, CausalRecall = false, BackpropSegments = 2)]",
        "[MixtureOfMemories(Heads = 4)] [RecurrentMemory(SegmentTokens = 32, MemoryTokens = 2, WriteInit = WriteInit.Learned, BackpropSegments = 2)]",
        "[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 32, MemoryTokens = 0)]",
    ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void NoUsingAndNoPrivateMemberIsForNothing(string attributes)
    {
        CSharpCompilation compilation = Compile.WithEmitted(Compile.Library(Declarations.Model(attributes)));
        SyntaxTree emitted = compilation.SyntaxTrees.Last();
        Assert.DoesNotContain(compilation.GetDiagnostics(), d => d.Id == "CS8019" && d.Location.SourceTree == emitted);

        SemanticModel model = compilation.GetSemanticModel(emitted);
        SyntaxNode root = emitted.GetRoot();
        HashSet<ISymbol?> used = new(root.DescendantNodes().OfType<SimpleNameSyntax>().Select(n => model.GetSymbolInfo(n).Symbol?.OriginalDefinition), SymbolEqualityComparer.Default);
        IEnumerable<string> unused = root.DescendantNodes()
            .Where(n => n is MethodDeclarationSyntax { ExplicitInterfaceSpecifier: null } or VariableDeclaratorSyntax)
            .Select(n => model.GetDeclaredSymbol(n))
            .Where(s => s is IFieldSymbol or IMethodSymbol or ILocalSymbol && (s is ILocalSymbol || s.DeclaredAccessibility == Accessibility.Private) && !used.Contains(s))
            .Select(s => s!.ToDisplayString())
            .Where(name => name != "scope");
        Assert.Empty(unused);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EveryLinearMapGoesThroughProjection(string attributes)
    {
        CSharpCompilation compilation = Compile.WithEmitted(Compile.Library(Declarations.Model(attributes)));
        SemanticModel model = compilation.GetSemanticModel(compilation.SyntaxTrees.Last());
        IEnumerable<string> others = compilation.SyntaxTrees.Last().GetRoot().DescendantNodes().OfType<MemberAccessExpressionSyntax>()
            .Where(access => access.Name.Identifier.Text is "call" or "forward" && model.GetTypeInfo(access.Expression).Type?.ToDisplayString() == "TorchSharp.Modules.Linear")
            .Select(access => access.ToString());
        Assert.Empty(others);
    }
}
