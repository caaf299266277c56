using Memory.Gen.CodeFixes;
using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.CodeFixes;

/// <summary>Lists and arrays of modules become module lists, with all that is put into them.</summary>
public class ModuleListFixTests
{
    [Theory]
    [InlineData("private readonly List<Linear> layers = new(); // all", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>(); // all")]
    [InlineData("private readonly List<Linear> layers = new List<Linear> { nn.Linear(1, 2), nn.Linear(2, 3) };", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>(nn.Linear(1, 2), nn.Linear(2, 3));")]
    [InlineData("private readonly List<Linear> layers = [];", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>();")]
    [InlineData("private readonly Linear[] layers = { nn.Linear(1, 2) };", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>(nn.Linear(1, 2));")]
    [InlineData("private readonly Linear[] layers = [nn.Linear(1, 2)]; private int Count => layers.Length;", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>(nn.Linear(1, 2)); private int Count => layers.Count;")]
    [InlineData("private List<Linear> layers; private void Fill() { layers = new(); this.layers = new List<Linear>(); }", "private ModuleList<Linear> layers; private void Fill() { layers = new ModuleList<Linear>(); this.layers = new ModuleList<Linear>(); }")]
    [InlineData("public List<Linear> Layers { get; private set; } = [nn.Linear(1, 2)]; private void Clear() => Layers = new();", "public ModuleList<Linear> Layers { get; private set; } = new ModuleList<Linear>(nn.Linear(1, 2)); private void Clear() => Layers = new ModuleList<Linear>();")]
    [InlineData("private List<Linear>? layers; private void Fill() => layers = new();", "private ModuleList<Linear>? layers; private void Fill() => layers = new ModuleList<Linear>();")]
    [InlineData("public List<Linear> Layers { get; } = []; public static Stack Make() => new() { Layers = { nn.Linear(1, 2) } };", "public ModuleList<Linear> Layers { get; } = new ModuleList<Linear>(); public static Stack Make() => new() { Layers = { nn.Linear(1, 2) } };")]
    [InlineData("private readonly List<Linear> layers = []; private static int Local() { int[] layers = [1]; layers = [2, 3]; return layers.Length; }", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>(); private static int Local() { int[] layers = [1]; layers = [2, 3]; return layers.Length; }")]
    [InlineData("private readonly List<Linear> layers = []; private sealed class Inner { private int[] layers = [1]; public int Fill() { layers = [2]; return this.layers.Length; } }", "private readonly ModuleList<Linear> layers = new ModuleList<Linear>(); private sealed class Inner { private int[] layers = [1]; public int Fill() { layers = [2]; return this.layers.Length; } }")]
    public async Task TheFieldAndItsValuesChangeTogether(string before, string after)
    {
        Assert.Equal(ModuleClass.With(after), await FixRun.Open(new ModuleListFix(), ModuleClass.With(before)).One("MEMGEN303"));
        Assert.DoesNotContain(await Compile.Diagnostics(Compile.Library(ModuleClass.With(after))), d => d.Id.StartsWith("CS0") || d.Id == "MEMGEN303");
    }

    [Theory]
    [InlineData("private readonly Linear[] layers = new Linear[4];")]
    [InlineData("private readonly List<Linear> layers = new(capacity: 4);")]
    [InlineData("private readonly List<Linear> layers = new() { nn.Linear(1, 2) /* first */ };")]
    [InlineData("private readonly Dictionary<string, Linear> layers = new();")]
    public async Task WhatHasNoCounterpartIsOnlyReported(string field)
    {
        FixRun run = FixRun.Open(new ModuleListFix(), ModuleClass.With(field));
        Assert.Empty(await run.Offered("MEMGEN303"));
        Assert.Contains(await Compile.Diagnostics(Compile.Library(ModuleClass.With(field))), d => d.Id == "MEMGEN303");
    }

    [Fact]
    public async Task AllAtOnce() => Assert.Equal(
        ModuleClass.With("private readonly ModuleList<Linear> a = new ModuleList<Linear>();\n    private readonly ModuleList<Linear> b = new ModuleList<Linear>();"),
        await FixRun.Open(new ModuleListFix(), ModuleClass.With("private readonly List<Linear> a = [];\n    private readonly List<Linear> b = new();")).All("MEMGEN303"));
}
