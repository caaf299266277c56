using System.Collections.Generic;
using System.Linq;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators.Specs;

/// <summary>The statements of a program's own file, whose variables and functions the whole global namespace sees.</summary>
internal static class ProgramStatements
{
    /// <summary>The names that they declare, those of inner blocks too.</summary>
    public static IEnumerable<string> Names(CompilationUnitSyntax file) => file.Members
        .OfType<GlobalStatementSyntax>()
        .SelectMany(s => s.DescendantNodes())
        .Select(node => node switch
        {
            VariableDeclaratorSyntax variable => variable.Identifier.ValueText,
            SingleVariableDesignationSyntax variable => variable.Identifier.ValueText,
            LocalFunctionStatementSyntax function => function.Identifier.ValueText,
            _ => "",
        })
        .Where(name => name.Length > 0);
}
