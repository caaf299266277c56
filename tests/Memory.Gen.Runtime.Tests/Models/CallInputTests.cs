using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>What a model or a layer cannot read is refused by name, before anything is read.</summary>
public sealed class CallInputTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> EveryModel => [nameof(GatedDeltaModel), nameof(HierarchicalMixtureModel), nameof(RecurrentModel)];

    public void Dispose() => scope.Dispose();

    [Theory]
    [MemberData(nameof(EveryModel))]
    public void TokensAreRowsOfIds(string name)
    {
        using var subject = new Subject(name);
        using MemoryState state = subject.NewState(3);
        Tensor one = ones(3, dtype: ScalarType.Int64), numbers = ones(3, 2), wide = ones(3, 2, 1, dtype: ScalarType.Int64), small = ones(3, 2, dtype: ScalarType.Int32);
        foreach ((Tensor wrong, string found) in new[] { (one, "Int64 [3]"), (numbers, "Float32 [3, 2]"), (wide, "Int64 [3, 2, 1]"), (small, "Int32 [3, 2]"), (tensor(1L), "Int64 []") })
        {
            string message = $"{name}: tokens is {found}; expected Int64 [B, T].";
            Refused(message, "tokens", () => subject.Module.call(wrong));
            Refused(message, "tokens", () => subject.Prefill(wrong, state));
        }

        Refused($"{name}: token is Int64 [3, 2]; expected Int64 [B].", "token", () => subject.Step(small.to(ScalarType.Int64), state));
        Refused($"{name}: token is Float32 [3]; expected Int64 [B].", "token", () => subject.Step(ones(3), state));
        Refused($"{name}: tokens is null.", "tokens", () => subject.Prefill(null!, state));
        Refused($"{name}: token is null.", "token", () => subject.Step(null!, state));
        AssertUnread(subject, state);
    }

    [Theory]
    [MemberData(nameof(EveryModel))]
    public void IdsLieInTheVocabulary(string name)
    {
        using var subject = new Subject(name);
        using MemoryState state = subject.NewState(2);
        foreach (long wrong in new[] { 11L, -1L, long.MaxValue, long.MinValue })
        {
            Tensor tokens = tensor(new[,] { { 0, 10, 3 }, { 1, wrong, 2 } });
            string message = $"{name}: tokens has {wrong} at [1, 1]; expected ids from 0 to 10.";
            Refused(message, "tokens", () => subject.Module.call(tokens));
            Refused(message, "tokens", () => subject.Prefill(tokens, state));
            // Through strides: every second column, and rows for columns.
            Refused($"{name}: tokens has {wrong} at [1, 0]; expected ids from 0 to 10.", "tokens", () => subject.Prefill(tokens.slice(1, 1, 3, 2), state));
            Refused(message, "tokens", () => subject.Module.call(tokens.t().contiguous().t()));
            Refused($"{name}: tokens has {wrong} at [1, 0]; expected ids from 0 to 10.", "tokens", () => subject.Step(tensor(new[] { 1, wrong }), state));
            Refused($"{name}: tokens has {wrong} at [0, 1]; expected ids from 0 to 10.", "tokens", () => subject.Model.Generate([1, wrong], new GenerationOptions { MaxTokens = 1 }).ToList());
        }

        subject.Prefill(tensor(new[,] { { 0L, 99, 10 }, { 5, -3, 1 } }).slice(1, 0, 3, 2), subject.NewState(2));
        subject.Prefill(zeros(2, 0, dtype: ScalarType.Int64), state);
        AssertUnread(subject, state);
    }

    [Fact]
    public void FeaturesHaveTheLayersWidthAndElementType()
    {
        const string name = nameof(GatedDeltaLayer);
        using var subject = new Subject(name, ScalarType.Float32);
        long dim = subject.Input(1, 1).shape[2];
        using MemoryState state = subject.NewState(2);
        Tensor narrow = randn(2, 3, dim - 1), flat = randn(2, dim), wide = randn(2, 3, dim).to(ScalarType.Float64);
        foreach (Action<Tensor> call in new Action<Tensor>[] { x => subject.Module.call(x), x => subject.Prefill(x, state) })
        {
            Refused($"{name}: x is [2, 3, {dim - 1}]; expected [B, T, {dim}].", "x", () => call(narrow));
            Refused($"{name}: x is [2, {dim}]; expected [B, T, {dim}].", "x", () => call(flat));
            Refused($"{name}: x is Float64; expected Float32, as the weights are.", "x", () => call(wide));
            Refused($"{name}: x is null.", "x", () => call(null!));
        }

        Refused($"{name}: x is [2, 3, {dim}]; expected [B, {dim}].", "x", () => subject.Step(randn(2, 3, dim), state));
        Refused($"{name}: x is [2, {dim - 1}]; expected [B, {dim}].", "x", () => subject.Step(randn(2, dim - 1), state));
        Refused($"{name}: x is Float64; expected Float32, as the weights are.", "x", () => subject.Step(randn(2, dim).to(ScalarType.Float64), state));
        AssertUnread(subject, state);
    }

    [Theory]
    [InlineData(nameof(GatedDeltaLayer))]
    [InlineData(nameof(GatedDeltaModel))]
    [InlineData(nameof(RecurrentModel))]
    public void TheStateIsOfTheWeightsElementType(string name)
    {
        using var subject = new Subject(name, ScalarType.Float32);
        using MemoryState old = subject.NewState(1);
        subject.Module.to(ScalarType.Float64);
        using var same = new Subject(name, ScalarType.Float64);
        string message = $"{name}: the state is Float32, the weights are Float64; make a new one with NewState, or load a saved one with LoadState.";
        Refused(message, "state", () => subject.Prefill(same.Input(1, 2), old));
        Refused(message, "state", () => subject.Step(same.Input(1, 2).select(1, 0), old));
        using MemoryState state = subject.NewState(1);
        subject.Prefill(same.Input(1, 2), state);
    }

    [Fact]
    public void WhatIsNullIsNamed()
    {
        using var model = new GatedDeltaModel();
        using var layer = new GatedDeltaLayer();
        Tensor tokens = ones(1, 2, dtype: ScalarType.Int64);
        long dim = new Subject(nameof(GatedDeltaLayer)).Input(1, 1).shape[2];
        Refused("GatedDeltaModel: state is null; make one with NewState.", "state", () => model.Prefill(tokens, null!));
        Refused("GatedDeltaModel: state is null; make one with NewState.", "state", () => model.Step(tokens.select(1, 0), null!));
        Refused("GatedDeltaLayer: state is null; make one with NewState.", "state", () => layer.Prefill(randn(1, 2, dim), null!));
        Refused("GatedDeltaModel was given no state", "state", () => ((IMemoryModel)model).Prefill(tokens, null!));
        Refused("", "model", () => ((IMemoryModel)null!).Generate([1], new GenerationOptions()));
        Refused("", "prompt", () => model.Generate(null!, new GenerationOptions()));
        Refused("", "options", () => model.Generate([1], null!));
    }

    [Fact]
    public void WhatIsNullBesideTheTokensIsNamedToo()
    {
        using var model = new GatedDeltaModel();
        using var state = model.NewState(1);
        Tensor tokens = ones(1, 2, dtype: ScalarType.Int64), skip = zeros(1, 2, dtype: ScalarType.Bool);
        Refused("", "input", () => model.Prefill(null!, state, skip));
        Refused("", "state", () => model.Prefill(tokens, null!, skip));
        Refused("", "skip", () => model.Prefill(tokens, state, null!));
        Refused("", "tokens", () => state.MarkPadding(null!));
        Refused("", "rows", () => state.Reset(null!));
        Refused("", "StopTokens", () => model.Generate([1], new GenerationOptions { StopTokens = null! }));
        Refused(
            "The metadata has 'model', which every saved state has of its own; choose another name.", "metadata",
            () => state.Save("unused", new Dictionary<string, string> { ["model"] = "mine" }));
    }

    [Theory]
    [InlineData(nameof(GatedDeltaModel))]
    [InlineData(nameof(RecurrentModel))]
    [InlineData(nameof(GatedDeltaLayer))]
    public void ADisposedModelIsNamed(string name)
    {
        using var folder = new TemporaryFolder();
        var subject = new Subject(name);
        using MemoryState state = subject.NewState(1);
        state.Save(folder.File("memory"));
        Tensor input = subject.Input(1, 2);
        subject.Module.Dispose();
        var calls = new List<Action>
        {
            () => subject.Module.call(input), () => subject.Prefill(input, state), () => subject.Step(input.select(1, 0), state), () => subject.NewState(1), () => subject.LoadState(folder.File("memory")),
        };
        if (subject.IsModel) calls.AddRange([() => subject.Model.Read(input, state), () => subject.Model.Generate([1], new GenerationOptions()).First(), () => subject.Model.LoadState(folder.File("memory"), CPU)]);
        foreach (Action call in calls)
            Assert.StartsWith($"{name} was disposed, and its weights with it.", Assert.Throws<ObjectDisposedException>(call).Message);
        Assert.Equal(0, state.Positions.item<long>());
    }

    /// <summary>Parts of a model are within everybody's reach, by the modules' names.</summary>
    [Theory]
    [InlineData(nameof(GatedDeltaModel))]
    [InlineData(nameof(HierarchicalBMojoModel))]
    [InlineData(nameof(MixtureModel))]
    [InlineData(nameof(TitansGateLayer))]
    public void ADisposedPartIsNoArgumentOfTheCall(string name)
    {
        string[] parts;
        using (var whole = new Subject(name, ScalarType.Float32)) parts = [.. whole.Module.named_modules().Select(part => part.name).Where(part => part.Length > 0)];
        // What recalls is not asked within the first segment.
        foreach (string part in parts.Where(part => !part.StartsWith("recall_", StringComparison.Ordinal)))
        {
            using var subject = new Subject(name, ScalarType.Float32);
            using MemoryState state = subject.NewState(2);
            Tensor input = subject.Input(2, 3);
            subject.Module.named_modules().First(each => each.name == part).module.Dispose();
            foreach (bool recorded in new[] { true, false })
            {
                using var mode = set_grad_enabled(recorded);
                foreach (Action call in new Action[] { () => subject.Forward(input), () => subject.Prefill(input, state), () => subject.Step(input.select(1, 0), state) })
                    Assert.Contains("was disposed", Assert.Throws<ObjectDisposedException>(call).Message);
            }

            Assert.Equal(0, state.Positions[0].item<long>());
        }
    }

    [Fact]
    public void ALayerWithinAnotherModuleIsNamed()
    {
        using var subject = new Subject(nameof(GatedDeltaLayer));
        using var parent = nn.Sequential(("first", subject.Module));
        Tensor input = subject.Input(1, 2);
        parent.call(input);
        subject.Module.Dispose();
        Assert.StartsWith("GatedDeltaLayer was disposed", Assert.Throws<ObjectDisposedException>(() => parent.call(input)).Message);
    }

    [Fact]
    public void ADisposedStateIsNamed()
    {
        using var folder = new TemporaryFolder();
        using var subject = new Subject(nameof(GatedDeltaModel));
        using MemoryState other = subject.NewState(1);
        MemoryState state = subject.NewState(1);
        Tensor input = subject.Input(1, 2);
        state.Dispose();
        state.Dispose();
        foreach (Action call in new Action[]
        {
            () => subject.Prefill(input, state), () => subject.Step(input.select(1, 0), state), () => subject.Model.Read(input, state), () => subject.Model.Generate([1], new GenerationOptions(), state).First(),
            () => state.Clone(), () => state.Rows(0), () => MemoryState.Join(other, state), () => state.Reset(), () => state.Reset(0), () => state.Detach(), () => state.Save(folder.File("memory")),
            () => _ = state.Positions, () => _ = state.Tensors[0].Value, () => _ = state.AuxiliaryLoss, () => state.MarkPadding(zeros(1, 2, dtype: ScalarType.Bool)),
        })
            Assert.Contains("This state of GatedDeltaModel was disposed; make another one with NewState.", Assert.Throws<ObjectDisposedException>(call).Message);
    }

    [Fact]
    public void ADisposedFileOfTensorsIsNoCrash()
    {
        using var folder = new TemporaryFolder();
        using (var subject = new Subject(nameof(GatedDeltaModel))) subject.Module.SaveWeights(folder.File("weights"));
        var file = SafetensorsFile.Open(folder.File("weights"));
        string name = file.Names.First();
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { file.Read(name); });
        Assert.Throws<ObjectDisposedException>(() => { file.Verify(); });
    }

    [Fact]
    public void DevicesOfOneKindAreToldApart()
    {
        var first = new Device(DeviceType.CUDA, 0);
        Assert.True(first.Is(DeviceType.CUDA, 0));
        Assert.False(first.Is(DeviceType.CUDA, 1));
        Assert.False(first.Is(DeviceType.CPU, -1));
        // Without a number it is the current one, which only torch knows.
        Assert.True(new Device(DeviceType.CUDA).Is(DeviceType.CUDA, 1));
        Assert.True(CPU.Is(DeviceType.CPU, zeros(1).device_index));
    }

    private static void Refused(string message, string argument, Action call)
    {
        var error = Assert.ThrowsAny<ArgumentException>(call);
        Assert.StartsWith(message, error.Message);
        Assert.Equal(argument, error.ParamName);
    }

    private static void AssertUnread(Subject subject, MemoryState state)
    {
        Assert.All(state.Positions.data<long>().ToArray(), position => Assert.Equal(0, position));
        subject.Prefill(subject.Input(state.Batch, 2), state);
    }
}
