using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Memory.Gen.Generators.Models;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>MEMGEN201: a declared layer reads what another declared layer of a different width wrote.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class LayerWidthAnalyzer : DiagnosticAnalyzer
{
    private static readonly string[] Calls = ["call", "forward", "Prefill", "Step"];

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Descriptors.Of("MEMGEN201"));

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterOperationAction(AnalyzeCall, OperationKind.Invocation);
    }

    private static void AnalyzeCall(OperationAnalysisContext context)
    {
        var call = (IInvocationOperation)context.Operation;
        if (call.TargetMethod.Name == "Sequential")
        {
            ITypeSymbol?[] layers = Modules(call).ToArray();
            for (int i = 1; i < layers.Length; i++)
                Compare(context, layers[i - 1], layers[i], call.Syntax);
        }
        else if (Layer(call) is { } reader)
            Compare(context, Writer(call.Arguments[0].Value), reader, call.Arguments[0].Syntax);
    }

    private static void Compare(OperationAnalysisContext context, ITypeSymbol? writer, ITypeSymbol? reader, SyntaxNode place)
    {
        if (Width(writer) is not { } written || Width(reader) is not { } read || written == read)
            return;
        IEnumerable<Location> attribute = Declared(reader!)!.ApplicationSyntaxReference is { } declaration
            ? [Location.Create(declaration.SyntaxTree, declaration.Span)]
            : [];
        string? width = WidthThatWorks((INamedTypeSymbol)reader!, written);
        ImmutableDictionary<string, string?> repair = attribute.Any() && width is not null
            ? ImmutableDictionary<string, string?>.Empty.Add(Repairs.Keys[0], width)
            : ImmutableDictionary<string, string?>.Empty;
        context.ReportDiagnostic(Diagnostic.Create(
            Descriptors.Of("MEMGEN201"), place.GetLocation(), attribute, repair, writer!.Name, Limits.Text(written), reader!.Name, Limits.Text(read),
            width is null ? "" : $"write {width} on '{reader.Name}', or "));
    }

    // Null where the reader's heads, say, do not divide the other width.
    private static string? WidthThatWorks(INamedTypeSymbol reader, int width)
    {
        Declaration declared = DeclarationReader.Read(reader, AttributeKinds.RoleOf, hiddenNames: default);
        return WorkingRepairs.Follow(declared, ModelRules.Check(declared), error: null, declared.Root.Index, "Dim = " + Limits.Text(width));
    }

    private static AttributeData? Declared(ITypeSymbol type) => type.GetAttributes().FirstOrDefault(a =>
        a.AttributeClass is { Name: "MemoryLayerAttribute" } attribute && attribute.ContainingNamespace.ToDisplayString() == "Memory.Gen");

    private static int? Width(ITypeSymbol? type) =>
        type is null ? null : Declared(type)?.NamedArguments.FirstOrDefault(a => a.Key == "Dim").Value.Value as int?;

    // The declared layer that a call runs.
    private static ITypeSymbol? Layer(IInvocationOperation call) =>
        Calls.Contains(call.TargetMethod.Name) && call.Arguments.Length > 0 && Width(call.Instance?.Type) is not null ? call.Instance!.Type : null;

    // The declared layer whose features a value holds, alone or in a sum.
    private static ITypeSymbol? Writer(IOperation? value) => value switch
    {
        IConversionOperation conversion => Writer(conversion.Operand),
        IInvocationOperation call => Layer(call),
        IBinaryOperation { OperatorKind: BinaryOperatorKind.Add } sum => Writer(sum.LeftOperand) ?? Writer(sum.RightOperand),
        ILocalReferenceOperation local => Writer(LastValue(local, local.Local)),
        IParameterReferenceOperation parameter => Writer(LastValue(parameter, parameter.Parameter)),
        _ => null,
    };

    // What a variable got in the nearest statement before, in the same block; null where that is not the whole story.
    private static IOperation? LastValue(IOperation use, ISymbol variable)
    {
        IOperation statement = use;
        while (statement.Parent is not (null or IBlockOperation))
            statement = statement.Parent;
        if (statement.Parent is not IBlockOperation block)
            return null;
        foreach (IOperation before in block.Operations.TakeWhile(o => o != statement).Reverse())
            if (Mentions(before, variable))
                return before switch
                {
                    IVariableDeclarationGroupOperation declaration => declaration.Declarations.SelectMany(d => d.Declarators)
                        .FirstOrDefault(d => SymbolEqualityComparer.Default.Equals(d.Symbol, variable))?.GetVariableInitializer()?.Value,
                    IExpressionStatementOperation { Operation: ISimpleAssignmentOperation assignment } when Is(assignment.Target, variable) => assignment.Value,
                    _ => null,
                };
        return null;
    }

    private static bool Mentions(IOperation statement, ISymbol variable) => statement.DescendantsAndSelf().Any(o => Is(o, variable)
        || (o is IVariableDeclaratorOperation declarator && SymbolEqualityComparer.Default.Equals(declarator.Symbol, variable)));

    private static bool Is(IOperation operation, ISymbol variable) => SymbolEqualityComparer.Default.Equals(
        operation switch
        {
            ILocalReferenceOperation local => local.Local,
            IParameterReferenceOperation parameter => parameter.Parameter,
            _ => null,
        },
        variable);

    // The modules of a Sequential in their order: given alone, or with names.
    private static IEnumerable<ITypeSymbol?> Modules(IInvocationOperation call) => call.Arguments
        .SelectMany(a => a.Value is IArrayCreationOperation { Initializer: { } items } ? items.ElementValues : Enumerable.Repeat(a.Value, 1))
        .Select(item => Unwrapped(item) is ITupleOperation { Elements.Length: 2 } named ? Unwrapped(named.Elements[1]).Type : Unwrapped(item).Type);

    private static IOperation Unwrapped(IOperation operation)
    {
        while (operation is IConversionOperation conversion)
            operation = conversion.Operand;
        return operation;
    }
}
