using System.Reflection;
using Memory.Gen.Runtime;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Tests.Models;

/// <summary>
/// The words that the numbers keep, for models put together at random: outputs, state and gradients do not depend on where a text is
/// cut, rows do not see each other, files keep everything, and the card is exact.
/// </summary>
public class SmallDeclarationTests
{
    private const long Rows = 2, Tokens = 23;

    [Theory]
    [InlineData(4, 20)]
    [InlineData(6, 20)]
    [InlineData(7, 20)]
    [InlineData(8, 20)]
    public async Task EveryModelKeepsThem(int seed, int models) => await Check(seed, models);

    [Theory]
    [Trait("Category", "Soak")]
    [InlineData(101, 200)]
    [InlineData(104, 200)]
    public async Task ManyModelsKeepThem(int seed, int models) => await Check(seed, models);

    private static async Task Check(int seed, int models)
    {
        var random = new Random(seed);
        string[] classes = [.. Enumerable.Range(0, models).Select(i => new SmallDeclaration(random).Class("C" + i))];
        HashSet<int> mistakes = await Mistakes(Source(classes));
        string[] right = [.. classes.Where((_, i) => !mistakes.Contains(i))];
        Assert.InRange(right.Length, models * 3 / 4, models);

        using var image = new MemoryStream();
        Assert.Empty(Compile.WithEmitted(Compile.Library(Source(right))).Emit(image).Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning));
        Assembly assembly = Assembly.Load(image.ToArray());
        int checkedModels = 0;
        foreach (string text in right)
        {
            using var inner = NewDisposeScope();
            string name = text[(text.LastIndexOf(' ') + 1)..^1];
            using var module = (nn.Module<Tensor, Tensor>)Activator.CreateInstance(assembly.GetType("Samples." + name, throwOnError: true)!, null, ScalarType.Float64)!;
            using var model = new SmallModel(module, text, new Random(seed));
            checkedModels += model.Check(Rows, Tokens) ? 1 : 0;
        }

        Assert.InRange(checkedModels, right.Length * 3 / 4, right.Length);
    }

    private static string Source(string[] classes) => "using Memory.Gen;\nnamespace Samples;\n" + string.Join("\n", classes);

    // Which of the classes are wrong after all, each on a line of its own.
    private static async Task<HashSet<int>> Mistakes(string source)
    {
        IReadOnlyList<Diagnostic> found = await Compile.Diagnostics(Compile.Library(source));
        Assert.All(found, d => Assert.StartsWith("MEMGEN", d.Id, StringComparison.Ordinal));
        return [.. found.Select(d => d.Location.GetLineSpan().StartLinePosition.Line - 2)];
    }
}
