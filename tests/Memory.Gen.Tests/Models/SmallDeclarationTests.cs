using System.Reflection;
using System.Text.RegularExpressions;
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
/// cut, rows do not see each other, files keep everything, and the card is exact. Every weight is trained, or its file says that
/// nothing trains it.
/// </summary>
public class SmallDeclarationTests
{
    private const long Rows = 2, Tokens = 23;

    // What a file says is not trained.
    private static readonly (string Said, string Weights)[] Untrained =
    [
        ("nothing trains the router", @"mixer\.router\.weight"),
        ("nothing trains W_p and b_p", @"mixer\.predictor\.(weight|bias)"),
        ("nothing trains W_Q and W", @"mixer\.(query|key)(_norm)?\.weight"),
        ("nothing trains W'_Q and W'_K", @"mixer\.attention\.(query|key)\.weight"),
        ("nothing trains W_alpha and b_alpha", @"mixer\.memory\.forgetting\.(weight|bias)"),
        ("before anything has faded", @"mixer\.fading\.decay(_rate|_bias|\.weight)"),
        ("nothing trains W_1, W_2 and b", @"mixer\.(shared_)?decay_(down\.weight|up\.weight|bias)"),
        ("nothing trains M_0", "(initial|write)_memory"),
        ("nothing trains P_0", @"(initial_memory|summary_prompt|recall_(query|key)\.weight)"),
    ];

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
        CSharpCompilation written = Compile.WithEmitted(Compile.Library(Source(right)));
        Assert.Empty(written.Emit(image).Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning));
        Assembly assembly = Assembly.Load(image.ToArray());
        int checkedModels = 0;
        foreach (string text in right)
        {
            using var inner = NewDisposeScope();
            string name = text[(text.LastIndexOf(' ') + 1)..^1];
            using var module = (nn.Module<Tensor, Tensor>)Activator.CreateInstance(assembly.GetType("Samples." + name, throwOnError: true)!, null, ScalarType.Float64)!;
            using var model = new SmallModel(module, text, new Random(seed));
            if (!model.Check(Rows, Tokens))
                continue;
            checkedModels++;
            string said = text + written.SyntaxTrees.Single(file => Path.GetFileName(file.FilePath) == $"Samples.{name}.g.cs");
            // One row of a prime number of tokens: a router that sends as many to each memory has no slope.
            string untrained = string.Join(", ", model.Untrained(1, Tokens).Where(weight => !Untrained.Any(u => Regex.IsMatch(said, u.Said) && Regex.IsMatch(weight, $@"(^|\.){u.Weights}$"))));
            Assert.True(untrained.Length == 0, $"Nothing trains {untrained} of\n{text}");
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
