using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>
/// MEMGEN304: a training loop reads on from a state step after step and never detaches it, so that every step goes back
/// through all those before. Reported only where the whole use of the state in the loop is in view.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class CarriedStateAnalyzer : DiagnosticAnalyzer
{
    private static readonly string[] Advancing = ["Prefill", "Read", "Step"];

    private static readonly string[] Looking = ["MarkPadding", "Save"];

    private static readonly string[] WithoutGradients = ["no_grad", "inference_mode", "set_grad_enabled"];

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Descriptors.Of("MEMGEN304"));

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(static start =>
        {
            if (start.Compilation.GetTypesByMetadataName("Memory.Gen.Runtime.MemoryState").FirstOrDefault() is { } state)
                start.RegisterOperationAction(operation => Analyze(operation, state), OperationKind.Loop);
        });
    }

    private static void Analyze(OperationAnalysisContext context, INamedTypeSymbol state)
    {
        var loop = (ILoopOperation)context.Operation;
        IInvocationOperation[] calls = loop.Body.Descendants().OfType<IInvocationOperation>().ToArray();
        if (!calls.Any(c => c.TargetMethod.Name == "backward" && InnermostLoop(c) == loop)
            || calls.Any(c => WithoutGradients.Contains(c.TargetMethod.Name)))
            return;
        IEnumerable<IGrouping<ISymbol, IOperation>> carried = loop.Body.Descendants()
            .Where(o => Variable(o) is not null && o.Type.IsOrDerivesFrom(state))
            .GroupBy(o => Variable(o)!, SymbolEqualityComparer.Default)
            .Where(uses => !IsDeclaredIn(uses.Key, loop))!;
        foreach (IGrouping<ISymbol, IOperation> uses in carried)
            if (uses.All(IsInView) && uses.FirstOrDefault(Advances) is { } use)
                context.ReportDiagnostic(Diagnostic.Create(Descriptors.Of("MEMGEN304"), use.Syntax.GetLocation(), use.Syntax.ToString()));
    }

    private static ISymbol? Variable(IOperation operation) => operation switch
    {
        ILocalReferenceOperation local => local.Local,
        IParameterReferenceOperation parameter => parameter.Parameter,
        IFieldReferenceOperation field => field.Field,
        _ => null,
    };

    private static bool IsDeclaredIn(ISymbol variable, ILoopOperation loop) =>
        variable.DeclaringSyntaxReferences.Any(r => r.SyntaxTree == loop.Syntax.SyntaxTree && loop.Syntax.Span.Contains(r.Span));

    private static IOperation? InnermostLoop(IOperation operation)
    {
        IOperation? parent = operation.Parent;
        while (parent is not (null or ILoopOperation))
            parent = parent.Parent;
        return parent;
    }

    // A call that reads on from the state, as what it is or as any MemoryState.
    private static bool Advances(IOperation use) =>
        (use.Parent is IConversionOperation { IsImplicit: true } converted ? converted.Parent : use.Parent) is IArgumentOperation { Parent: IInvocationOperation call }
        && Advancing.Contains(call.TargetMethod.Name);

    // Anything but reading on and looking at it may begin anew or detach: Detach, Reset, an assignment, a call that gets it.
    private static bool IsInView(IOperation use) => Advances(use)
        || use.Parent is IPropertyReferenceOperation
        || (use.Parent is IInvocationOperation own && own.Instance == use && Looking.Contains(own.TargetMethod.Name));
}
