using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Mistakes in the class that carries the attributes.</summary>
public class TypeDiagnosticTests
{
    private const string Model = "[Memory.Gen.MemoryModel(VocabSize = 256, Dim = 64, Layers = 2)] [Memory.Gen.SlidingAttention(Heads = 4)]";

    [Theory]
    [InlineData("public sealed class LM;", "MEMGEN001", "LM")]
    [InlineData("public class Outer { " + Model + " public sealed partial class LM; }", "MEMGEN002", "Outer")]
    [InlineData("public sealed partial class LM<T>;", "MEMGEN003", "LM")]
    [InlineData("public partial class Outer<T> { " + Model + " public sealed partial class LM; }", "MEMGEN003", "LM")]
    [InlineData("public sealed partial record LM;", "MEMGEN004", "LM")]
    [InlineData("public abstract partial class LM;", "MEMGEN004", "LM")]
    [InlineData("public static partial class LM;", "MEMGEN004", "LM")]
    [InlineData("public sealed partial class LM : System.Collections.Generic.List<int>;", "MEMGEN005", "LM")]
    [InlineData("public sealed partial class LM { public int Step() => 1; }", "MEMGEN006", "Step")]
    [InlineData("public sealed partial class LM { public sealed class State; }", "MEMGEN006", "State")]
    [InlineData("public sealed partial class State;", "MEMGEN006", "State")]
    [InlineData("public sealed partial class LM { private sealed class @var; }", "MEMGEN006", "LM")]
    [InlineData("public sealed partial class LM { private static string @nameof(object type) => type.ToString()!; }", "MEMGEN006", "LM")]
    [InlineData("public sealed partial class LM(int size) { public int Size => size; }", "MEMGEN006", "LM")]
    [InlineData("public sealed partial class LM { public LM() { } }", "MEMGEN006", "LM")]
    [InlineData("public sealed partial class LM { public LM(TorchSharp.torch.Device? device = null, TorchSharp.torch.ScalarType? dtype = null) : base(nameof(LM)) { } }", "MEMGEN006", "LM")]
    [InlineData("public sealed partial class LM { public LM(TorchSharp.torch.Device device, TorchSharp.torch.ScalarType? dtype) : this() { } public LM(int size) : this() => _ = size; }", "MEMGEN006", "LM")]
    [InlineData("public sealed partial class LM { private readonly int size; public LM(int size) => this.size = size; public int Size => size; }", "MEMGEN006", "LM")]
    public async Task AClassThatCannotBeWrittenIsOneError(string type, string id, string at) =>
        await DiagnosticAssert.One(type.Contains("MemoryModel") ? type : Model + " " + type, id, at);

    [Theory]
    [InlineData("public sealed partial class LM<T>;", "'LM' is generic, but its weights have one fixed layout; declare it without type parameters")]
    [InlineData("public partial class Outer<T> { " + Model + " public sealed partial class LM; }", "'LM' lies in the generic 'Outer', but its weights have one fixed layout; move it out")]
    public async Task WhatIsGenericIsSaid(string type, string message) =>
        Assert.StartsWith(message, await DiagnosticAssert.One(type.Contains("MemoryModel") ? type : Model + " " + type, "MEMGEN003", "LM"));

    [Fact]
    public async Task AClassAroundSeveralIsOneError() => await DiagnosticAssert.One(
        "public class Outer { public partial struct Inner { " + Model + " public sealed partial class First; } " + Model + " public sealed partial class Second; }", "MEMGEN002", "Outer");

    [Theory]
    [InlineData("namespace Samples { internal sealed class @var; ")]
    [InlineData("internal sealed class @var; namespace Samples { ")]
    [InlineData("namespace Samples.@nameof { internal sealed class Any; } namespace Samples { ")]
    public async Task AWordThatIsANameAroundTheClass(string around) =>
        await DiagnosticAssert.One(around + Model + " public sealed partial class LM; }", "MEMGEN006", "LM");

    [Theory]
    [InlineData("internal partial class Outer { internal sealed class @var; ")]
    [InlineData("internal class Ancestor { protected static string @nameof(object type) => \"\"; } internal partial class Outer : Ancestor { ")]
    public async Task AWordThatIsANameInTheTypeAround(string around) =>
        await DiagnosticAssert.One(around + Model + " public sealed partial class LM; }", "MEMGEN006", "LM");

    // What the message says is what to write.
    [Theory]
    [InlineData("public LM() { }", ": this(device: null)")]
    [InlineData("public LM(int size = 3) => _ = size;", ": this(device: null)")]
    [InlineData("public LM(int size) => _ = size;", ": this()")]
    [InlineData("public LM(string name) : base(name) { }", ": this()")]
    [InlineData("public LM(int size) : this() => _ = size; private LM(string name) => _ = name;", ": this()")]
    public async Task AConstructorOfOnesOwnGoesOnToTheWrittenOne(string constructors, string continuation)
    {
        string type = Model + " public sealed partial class LM { " + constructors + " }";
        string message = await DiagnosticAssert.One(type, "MEMGEN006", "LM");
        Assert.Equal($"'LM' declares a constructor that goes past the written one, which makes its layers; add '{continuation}' to it", message);
        string last = constructors[(constructors.LastIndexOf("LM(", StringComparison.Ordinal))..], head = last[..(last.IndexOf(')') + 1)];
        string mended = type.Replace(head, head + " " + continuation).Replace(" : base(name)", "");
        Assert.Empty(await Compile.Diagnostics(Compile.Library(mended)));
    }

    [Fact]
    public async Task AModelThatDerivesFromAModelIsOneError() => await DiagnosticAssert.One(
        Model + " public partial class Model; public class Middle : Model; " + Model.Replace("256", "64") + " public sealed partial class Second : Middle;" + Declarations.Use, "MEMGEN005", "Second");

    [Fact]
    public async Task AConstructorIsShownWhereItStands()
    {
        CSharpCompilation compilation = Compile.Library(Model + " public sealed partial class LM { public LM(int size) : this() => _ = size; public LM(string name) { } }");
        Diagnostic diagnostic = Assert.Single(await Compile.Diagnostics(compilation));
        Assert.Equal("LM(string", compilation.SyntaxTrees[0].ToString().Substring(diagnostic.Location.SourceSpan.Start, 9));
    }

    [Fact]
    public async Task APrimaryConstructorHasASentenceOfItsOwn() => Assert.Equal(
        "'LM' declares a primary constructor, which every other would have to go on to, the written one too; move its parameters to a constructor of its own that ends in ': this()'",
        await DiagnosticAssert.One(Model + " public sealed partial class LM(int size) { public int Size => size; }", "MEMGEN006", "LM"));

    [Theory]
    [InlineData("public abstract partial class Model;", "MEMGEN004", "Model")]
    [InlineData("public sealed partial record Model;", "MEMGEN004", "Model")]
    [InlineData("public sealed partial class Model : System.Collections.Generic.List<int>;", "MEMGEN005", "Model")]
    [InlineData("public sealed partial class Model : Own; public class Own { protected Own(int a, System.Collections.Generic.List<string?> b) { } public int Dim; public virtual void Prefill() { } }", "MEMGEN005", "Model")]
    [InlineData("public sealed partial class Model : Own; public abstract class Own() : TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>(\"own\");", "MEMGEN005", "Model")]
    [InlineData("public sealed partial class Model : TorchSharp.torch.nn.Module { public Model(string a) : base(a) { } }", "MEMGEN005", "Model")]
    [InlineData("public sealed partial class Model { public const int Dim = 3; }", "MEMGEN006", "Dim")]
    [InlineData("public sealed partial class Model { private readonly int layers = 3; public int Layers => layers; }", "MEMGEN006", "layers")]
    public async Task CodeThatUsesAClassThatCannotBeWrittenStillCompiles(string type, string id, string at) =>
        await DiagnosticAssert.One(Model + " " + type + Declarations.Use, id, at);

    [Theory]
    [InlineData("public sealed partial class Model<T>;")]
    [InlineData("public sealed partial class Model<@class> where @class : struct;")]
    public async Task CodeThatUsesAGenericClassStillCompiles(string type) => await DiagnosticAssert.One(
        Model + " " + type + Declarations.Use.Replace("Model model", "Model<int> model").Replace("Model.", "Model<int>."), "MEMGEN003", "Model");

    [Fact]
    public async Task CodeThatUsesAClassInAGenericTypeStillCompiles() => await DiagnosticAssert.One(
        "public partial interface IOuter<in T, out U> { } public partial class Outer<T, U> where T : class { " + Model + " public sealed partial class Model;"
        + Declarations.Use + " }", "MEMGEN003", "Model");

    [Theory]
    [InlineData("NewState", "public int NewState(int batch) => batch;")]
    [InlineData("Step", "public int Step => 1;")]
    [InlineData("LoadState", "public static void LoadState() { }")]
    [InlineData("Card", "public int Card { get; set; }")]
    public async Task AMemberOfOnesOwnLeavesTheRestOfTheClassInPlace(string name, string member) => await DiagnosticAssert.One(
        Model + " public sealed partial class LM { " + member + " public static object New() => new LM().Prefill(TorchSharp.torch.zeros(1), null!); }",
        "MEMGEN006", name);

    [Fact]
    public async Task AMixerOnAnyClassIsAnError()
    {
        string message = await DiagnosticAssert.One(
            "[Memory.Gen.LinearMemory(Heads = 4)] public sealed partial class LM;", "MEMGEN008", "Memory.Gen.LinearMemory");
        Assert.Equal("[LinearMemory] does nothing on 'LM', which has neither [MemoryModel] nor [MemoryLayer]; add one of them, or remove [LinearMemory]", message);
    }

    [Fact]
    public async Task AModelThatIsALayerTooIsAnError() => await DiagnosticAssert.One(
        "[Memory.Gen.MemoryLayer(Dim = 64)] " + Model + " public sealed partial class LM;", "MEMGEN009", "Memory.Gen.MemoryLayer");

    [Theory]
    [InlineData("public sealed partial class LM : TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;")]
    [InlineData("public sealed partial class LM { public string Name { get; set; } = \"\"; private sealed class Layer; }")]
    [InlineData("public sealed partial class LM { internal LM(string name) : this() => Name = name; internal string? Name { get; } }")]
    [InlineData("internal partial class LM;")]
    public async Task ClassesThatLeaveRoomAreFine(string type) =>
        Assert.Empty(await Compile.Diagnostics(Compile.Library(Model + " " + type)));
}
