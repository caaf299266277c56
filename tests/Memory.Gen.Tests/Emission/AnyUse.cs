namespace Memory.Gen.Tests.Emission;

/// <summary>
/// Makes code that uses a declared class, as the analyzers of such code see it: calls, modules in a row or in a list, loops that
/// train and carry a state; right, wrong, and of classes that are neither model nor layer.
/// </summary>
internal sealed class AnyUse(Random random)
{
    private static readonly string[] Values =
        ["x", "y", "near.call(x)", "far.forward(x)", "x + near.call(x)", "near.call(far.call(x))", "far.Step(x, null!)", "near", "(Tensor)x", "x.missing", "null!", "(x)", "near.call()", "call(x)"];

    private static readonly string[] Statements =
    [
        "x = @;", "var y = @;", "return @;", "{ var y = @; return far.call(y); }", "if (x.shape[0] > 1) x = @;", "x = nn.Sequential(near, far).call(@);", "nn.Sequential((\"a\", near), (\"b\", far), near);",
        "nn.Sequential([near, far, @]);", "nn.Sequential();", "var state = near.NewState(1);", "foreach (var part in new[] { x, @ }) { near.Prefill(part, state).sum().backward(); }",
        "for (int i = 0; i < 3; i++) { state.Detach(); far.Step(@, state).backward(); }", "while (true) { near.Prefill(@, held); x.backward(); }", "do x.backward(); while (held.Bytes > 0);",
        "using (no_grad()) foreach (var part in parts) near.Step(part, state);", "do { near.Read(@, held).sum().backward(); } while (x.dim() > 0);", "Tensor Local(Tensor x) => far.call(@);", "System.Func<Tensor, Tensor> f = x => far.call(near.call(x));",
    ];

    private static readonly string[] Fields =
    [
        "private readonly List<#> all = new();", "# [] array = [];", "#[,] square;", "Dictionary<string, #> named = new() { };", "List<List<#>> deep = [];", "List<#> a = new(), b;", "readonly List<#>? maybe = null;",
        "List<#> filled = new List<#> { null!, null! /* two */ };", "IEnumerable<#> any = [];", "List<Module> modules = [.. new Module[2]];", "(#, #) pair;", "List<T> generic = [];", "ModuleList<#> right = new();",
        "#[] built = new #[4]; int Count => built.Length; void Fill() => built = [null!];", "event System.Action<#>? Changed;", "List<#> Auto { get; } = [];",
    ];

    /// <summary>A class that uses another: where its namespace holds the declared class, that one, and two layers of different widths.</summary>
    /// <param name="name">The namespace.</param>
    public string Of(string name)
    {
        string declared = random.Next(4) == 0 ? "Near" + name : "C" + name;
        var members = new List<string>();
        for (int i = random.Next(4); i > 0; i--)
            members.Add(Pick(Fields));
        for (int i = random.Next(1, 6); i > 0; i--)
            members.Add($"Tensor Run{i}({(random.Next(4) == 0 ? "" : "Tensor x")}) {{ {string.Join(" ", Enumerable.Range(0, random.Next(1, 5)).Select(_ => Pick(Statements).Replace("@", Pick(Values))))} return x; }}");
        string own = random.Next(3) == 0 ? "" : $": Module<Tensor, Tensor>(\"use\") ";
        return $$"""
            [MemoryLayer(Dim = 64), LinearMemory(Heads = 4)] partial class Near{{name}};
            [MemoryLayer(Dim = 128), LinearMemory(Heads = 4)] partial class Far{{name}};
            class Use{{name}}{{(random.Next(3) == 0 ? "<T>" : "")}}{{(own.Length > 0 ? "()" : "")}} {{own}}{
                {{declared}} near = new(); Far{{name}} far = new(); Near{{name}}.State held; Tensor[] parts = [];
                {{string.Join("\n    ", members).Replace("#", declared)}}
            }

            """;
    }

    private string Pick(string[] values) => values[random.Next(values.Length)];
}
