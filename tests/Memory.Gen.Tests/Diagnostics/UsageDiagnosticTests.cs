using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Mistakes in the code that uses models and layers, and code that only looks like one.</summary>
public class UsageDiagnosticTests
{
    private const string Layers = """
        [MemoryLayer(Dim = 64), LinearMemory(Heads = 4)]
        public sealed partial class Near;

        [MemoryLayer(Dim = 128), LinearMemory(Heads = 4)]
        public sealed partial class Far;

        """;

    [Theory]
    [InlineData("return far.call(near.call(x));", "near.call(x)")]
    [InlineData("return far.forward(x + near.forward(x));", "x + near.forward(x)")]
    [InlineData("x = near.call(x); x = far.call(x); return x;", "x")]
    [InlineData("var y = near.call(x); return far.call(y);", "y")]
    [InlineData("return far.Prefill(near.Step(x, near.NewState(1)), far.NewState(1));", "near.Step(x, near.NewState(1))")]
    [InlineData("return nn.Sequential((\"a\", near), (\"b\", far)).call(x);", "nn.Sequential((\"a\", near), (\"b\", far))")]
    public async Task ALayerAfterOneOfAnotherWidth(string body, string at) => Assert.Equal(
        "'Near' yields 64 features, but 'Far' expects 128; write Dim = 64 on 'Far', or put a linear map between them",
        await DiagnosticAssert.One(Source(Layers, body), "MEMGEN201", at));

    [Fact]
    public async Task AWidthThatTheReadersHeadsDoNotDivide() => Assert.Equal(
        "'Near' yields 64 features, but 'Far' expects 126; put a linear map between them",
        await DiagnosticAssert.One(Source(Layers.Replace("Dim = 128), LinearMemory(Heads = 4)", "Dim = 126), LinearMemory(Heads = 6)"), "return far.call(near.call(x));"), "MEMGEN201", "near.call(x)"));

    [Theory]
    [InlineData("return near.call(near.call(x));")]
    [InlineData("var y = near.call(x); y = y.repeat(1, 1, 2); return far.call(y);")]
    [InlineData("var y = near.call(x); if (y.shape[0] > 1) y = x; return far.call(y);")]
    [InlineData("var y = near.call(x); { return far.call(y); }")]
    [InlineData("return far.call(torch.cat([near.call(x), near.call(x)], -1));")]
    public async Task WidthsThatAgreeOrAreNotKnown(string body) =>
        Assert.Empty(await Compile.Diagnostics(Compile.Library(Source(Layers, body))));

    [Theory]
    [InlineData("private readonly List<Linear> layers = new();", "layers", "ModuleList<Linear>")]
    [InlineData("internal Linear[] layers = null!;", "layers", "ModuleList<Linear>")]
    [InlineData("internal Linear?[] layers = null!;", "layers", "ModuleList<Linear>")]
    [InlineData("private readonly List<nn.Module<Tensor, Tensor>> any = [];", "any", "ModuleList<Module<Tensor, Tensor>>")]
    [InlineData("internal readonly Dictionary<string, Linear> named = new();", "named", "ModuleList or ModuleDict")]
    [InlineData("private readonly IReadOnlyList<nn.Module> any = [];", "any", "ModuleList or ModuleDict")]
    [InlineData("public List<Linear> Layers { get; } = [];", "Layers", "ModuleList<Linear>")]
    [InlineData("public required Linear[] Layers { get; init; }", "Layers", "ModuleList<Linear>")]
    public async Task ModulesInAList(string field, string at, string advice) =>
        Assert.EndsWith("use " + advice, await DiagnosticAssert.One(ModuleClass.With(field), "MEMGEN303", at));

    [Theory]
    [InlineData("internal readonly ModuleList<Linear> layers = new();")]
    [InlineData("internal static readonly List<Linear> All = new();")]
    [InlineData("internal List<Linear> Fresh => [];")]
    [InlineData("internal readonly List<Tensor> tensors = new();")]
    [InlineData("private readonly List<Linear> layers = new(); internal void Add(Linear layer) { layers.Add(layer); register_module(\"l\", layer); }")]
    public async Task FieldsThatAreFine(string field) => Assert.Empty(await Compile.Diagnostics(Compile.Library(ModuleClass.With(field))));

    private const string Model = """
        [MemoryModel(VocabSize = 256, Dim = 64, Layers = 2), LinearMemory(Heads = 4)]
        public sealed partial class LM;

        """;

    [Theory]
    [InlineData("foreach (Tensor part in parts) model.Prefill(part, state).sum().backward();")]
    [InlineData("foreach (Tensor part in parts) model.Read(part, state).sum().backward();")]
    [InlineData("for (int i = 0; i < 3; i++) { state.MarkPadding(parts[i]); Tensor y = model.Prefill(parts[i], state); if (state.Bytes > 0) y.sum().backward(); }")]
    [InlineData("foreach (Tensor part in parts) Memory.Gen.Runtime.PaddedRows.Prefill(model, part, state, part.eq(0)).sum().backward();")]
    [InlineData("while (parts.Length > 0) { foreach (Tensor part in parts) model.Step(part, state); x.backward(); }")]
    public async Task AStateThatIsNeverDetached(string loop)
    {
        string message = await DiagnosticAssert.One(Source(Model, State + loop + " return x;"), "MEMGEN304", "state");
        Assert.EndsWith("call state.Detach() after each step", message);
    }

    [Theory]
    [InlineData("foreach (Tensor part in parts) { model.Prefill(part, state).sum().backward(); state.Detach(); }")]
    [InlineData("foreach (Tensor part in parts) { state.Reset(); model.Prefill(part, state).sum().backward(); }")]
    [InlineData("foreach (Tensor part in parts) { using LM.State own = model.NewState(1); model.Prefill(part, own).sum().backward(); }")]
    [InlineData("foreach (Tensor part in parts) { state = model.NewState(1); model.Prefill(part, state).sum().backward(); }")]
    [InlineData("foreach (Tensor part in parts) model.Prefill(part, state); x.backward();")]
    [InlineData("foreach (Tensor part in parts) { x = x + model.Prefill(part, state).sum(); } x.backward();")]
    [InlineData("foreach (Tensor part in parts) { using (torch.no_grad()) model.Prefill(part, state); x.backward(); }")]
    [InlineData("foreach (Tensor part in parts) { model.Prefill(part, state).sum().backward(); Begin(state); }")]
    public async Task AStateThatMayBeDetached(string loop) =>
        Assert.Empty(await Compile.Diagnostics(Compile.Library(Source(Model, State + loop + " return x;"))));

    private const string State = "var model = new LM(); LM.State state = model.NewState(1); Tensor[] parts = [x]; ";

    private static string Source(string declarations, string body) => $$"""
        using Memory.Gen;
        using TorchSharp;
        using static TorchSharp.torch;

        namespace Samples;

        {{declarations}}
        internal static class Use
        {
            internal static Tensor Run({{(declarations.Contains("class Near") ? "Near near, Far far, " : "")}}Tensor x) { {{body}} }

            internal static void Begin(Memory.Gen.Runtime.MemoryState state) => state.Detach();
        }
        """;
}
