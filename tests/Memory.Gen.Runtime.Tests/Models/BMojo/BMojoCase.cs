using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 3, FadingTokens = 2)]
public sealed partial class ReadoutBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(
    Heads = 2, Window = 3, EideticTokens = 3, FadingTokens = 1, Fading = FadingState.GatedDelta, Score = BMojoScore.DeltaResidual,
    Positions = BMojoPositions.Absolute)]
public sealed partial class ResidualBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 3, FadingTokens = 3, Score = BMojoScore.DeltaResidual)]
public sealed partial class ScanResidualBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(
    Heads = 2, KeyValueHeads = 1, Window = 4, WindowMode = BMojoWindow.Sliding, EideticTokens = 2, FadingTokens = 1, Fading = FadingState.ScalarDecay,
    Score = BMojoScore.DeltaResidual)]
public sealed partial class StateSpaceResidualBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(
    Heads = 4, KeyValueHeads = 2, Window = 5, WindowMode = BMojoWindow.Sliding, RefreshTokens = 3, EideticTokens = 4, FadingTokens = 2, FadingStride = 3,
    Fading = FadingState.ScalarDecay, TiedProjections = false, Score = BMojoScore.Norm, Threshold = 0.7, ScoreDecay = 0.75)]
public sealed partial class NormBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(
    Heads = 2, Window = 3, EideticTokens = 2, FadingTokens = 3, FadingStride = 2, Fading = FadingState.GatedDelta, Threshold = 0.9,
    Eviction = BMojoEviction.Fifo, QueryKeyNorm = true, RotaryBase = 0)]
public sealed partial class RingBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, KeyValueHeads = 1, Window = 4, EideticTokens = 5, Score = BMojoScore.Random, Positions = BMojoPositions.Absolute)]
public sealed partial class RandomBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 6, WindowMode = BMojoWindow.Sliding, RefreshTokens = 1, EideticTokens = 3, Score = BMojoScore.Recency)]
public sealed partial class RecencyBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 4, Fading = FadingState.GatedDelta, QueryKeyNorm = true)]
public sealed partial class FadingBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 3, FadingTokens = 2, FadingOffset = 1, Fading = FadingState.GatedDelta)]
public sealed partial class OffsetBMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 5, WindowMode = BMojoWindow.Blocked)]
public sealed partial class BlockedWindow;

/// <summary>What the oracle must know of a declaration.</summary>
internal sealed record BMojoOptions(int Heads, int Window)
{
    public int KeyValueHeads { get; init; } = Heads;

    public bool Blocked { get; init; }

    public int Eidetic { get; init; }

    public int Refresh { get; init; } = Window;

    public int Fading { get; init; }

    public int Stride { get; init; } = 1;

    public int? Offset { get; init; }

    public FadingState Memory { get; init; } = FadingState.None;

    public bool Tied { get; init; } = true;

    public BMojoScore Score { get; init; } = BMojoScore.ReadoutLinear;

    public double Threshold { get; init; } = double.NegativeInfinity;

    public double Decay { get; init; } = 1;

    public bool Newest { get; init; }

    public bool Absolute { get; init; }

    public double RotaryBase { get; init; } = 10_000;
}

/// <summary>A B'MOJO layer in float64, with weights of ordinary size.</summary>
internal sealed class BMojoCase : IDisposable
{
    private const ScalarType Wide = ScalarType.Float64;

    private static readonly Dictionary<string, (Func<nn.Module<Tensor, Tensor>> New, BMojoOptions Options)> Cases = new()
    {
        [nameof(ReadoutBMojo)] = (() => new ReadoutBMojo(dtype: Wide), new(2, 4) { Blocked = true, Eidetic = 3, Fading = 2, Memory = FadingState.SelectiveScan }),
        [nameof(ResidualBMojo)] = (() => new ResidualBMojo(dtype: Wide), new(2, 3)
        {
            Blocked = true, Eidetic = 3, Fading = 1, Memory = FadingState.GatedDelta, Score = BMojoScore.DeltaResidual, Absolute = true,
        }),
        [nameof(ScanResidualBMojo)] = (() => new ScanResidualBMojo(dtype: Wide), new(2, 4)
        {
            Blocked = true, Eidetic = 3, Fading = 3, Memory = FadingState.SelectiveScan, Score = BMojoScore.DeltaResidual,
        }),
        [nameof(StateSpaceResidualBMojo)] = (() => new StateSpaceResidualBMojo(dtype: Wide), new(2, 4)
        {
            KeyValueHeads = 1, Eidetic = 2, Fading = 1, Memory = FadingState.ScalarDecay, Score = BMojoScore.DeltaResidual,
        }),
        [nameof(NormBMojo)] = (() => new NormBMojo(dtype: Wide), new(4, 5)
        {
            KeyValueHeads = 2, Refresh = 3, Eidetic = 4, Fading = 2, Stride = 3, Memory = FadingState.ScalarDecay, Tied = false, Score = BMojoScore.Norm, Threshold = 0.7, Decay = 0.75,
        }),
        [nameof(RingBMojo)] = (() => new RingBMojo(dtype: Wide), new(2, 3)
        {
            Blocked = true, Eidetic = 2, Fading = 3, Stride = 2, Memory = FadingState.GatedDelta, Threshold = 0.9, Newest = true, RotaryBase = 0,
        }),
        [nameof(RandomBMojo)] = (() => new RandomBMojo(dtype: Wide), new(2, 4) { KeyValueHeads = 1, Blocked = true, Eidetic = 5, Score = BMojoScore.Random, Absolute = true }),
        [nameof(RecencyBMojo)] = (() => new RecencyBMojo(dtype: Wide), new(2, 6) { Refresh = 1, Eidetic = 3, Score = BMojoScore.Recency, Newest = true }),
        [nameof(FadingBMojo)] = (() => new FadingBMojo(dtype: Wide), new(2, 4) { Fading = 4, Memory = FadingState.GatedDelta }),
        [nameof(OffsetBMojo)] = (() => new OffsetBMojo(dtype: Wide), new(2, 3) { Fading = 2, Offset = 1, Memory = FadingState.GatedDelta }),
        [nameof(BlockedWindow)] = (() => new BlockedWindow(dtype: Wide), new(2, 5) { Blocked = true }),
    };

    private readonly Generator random = new(11, CPU);

    /// <param name="name">A layer of this file.</param>
    public BMojoCase(string name)
    {
        (Func<nn.Module<Tensor, Tensor>> make, Options) = Cases[name];
        Layer = make();
        RandomWeights.Fill(Layer, 0.5, Normal);
    }

    public static TheoryData<string> All => [.. Cases.Keys];

    /// <summary>Those with eidetic slots.</summary>
    public static TheoryData<string> Eidetic => [.. Cases.Where(c => c.Value.Options.Eidetic > 0).Select(c => c.Key)];

    public nn.Module<Tensor, Tensor> Layer { get; }

    public IMemoryLayer Memory => (IMemoryLayer)Layer;

    public BMojoOptions Options { get; }

    public Tensor Normal(params long[] shape) => randn(shape, dtype: Wide, generator: random);

    /// <summary>A weight of the layer; null where it has none of that name.</summary>
    public Tensor? Weight(string name) => Layer.get_parameter("mixer." + name);

    public void Dispose()
    {
        Layer.Dispose();
        random.Dispose();
    }
}
