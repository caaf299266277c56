using Memory.Gen.Runtime.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Modules;

public sealed class ShortConvolutionTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(4, false)]
    [InlineData(4, true)]
    public void MixesEachChannelsLastValues(int width, bool hasBias)
    {
        const int tokens = 6, channels = 3;
        using var convolution = new ShortConvolution(channels, width, hasBias, dtype: ScalarType.Float64);
        Tensor x = randn([1, tokens, channels], dtype: ScalarType.Float64);
        double[] weight = convolution.get_parameter("weight")!.detach().data<double>().ToArray();
        double[] bias = convolution.get_parameter("bias")?.detach().data<double>().ToArray() ?? new double[channels];
        double[] input = x.data<double>().ToArray();

        double[] y = convolution.call(x, null).detach().contiguous().data<double>().ToArray();

        for (int t = 0; t < tokens; t++)
            for (int c = 0; c < channels; c++)
            {
                double sum = bias[c];
                for (int w = 0; w < width; w++)
                    if (t - (width - 1) + w is >= 0 and var from)
                        sum += weight[c * width + w] * input[from * channels + c];
                Assert.Equal(sum / (1 + Math.Exp(-sum)), y[t * channels + c], 12);
            }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void WhatStandsBeforeTheFirstTokenIsItsPast(int before)
    {
        using var convolution = new ShortConvolution(2, 4, dtype: ScalarType.Float64);
        using var state = new Tail();
        Tensor first = randn([1, before, 2], dtype: ScalarType.Float64), x = randn([1, 6, 2], dtype: ScalarType.Float64);
        Tensor expected = convolution.call(cat([first, x], 1), null).narrow(1, before, 6);

        Assert.True((expected - convolution.After(first, x, null)).abs().max().item<double>() < 1e-12);
        Tensor split = cat([Read(x.narrow(1, 0, 2)), Read(x.narrow(1, 2, 4))], 1);
        Assert.True((expected - split).abs().max().item<double>() < 1e-12);

        Tensor Read(Tensor piece)
        {
            using var step = state.Begin(1, piece.shape[1]);
            Tensor y = convolution.After(first, piece, state.Inputs);
            step.Commit();
            return y;
        }
    }

    [Theory]
    [InlineData(3, 4)]
    [InlineData(0, 7)]
    [InlineData(6, 1)]
    public void ASplitContinuesFromItsTail(int first, int second)
    {
        using var convolution = new ShortConvolution(2, 4, dtype: ScalarType.Float64);
        using var state = new Tail();
        Tensor x = randn([1, first + second, 2], dtype: ScalarType.Float64);

        Tensor whole = convolution.call(x, null);
        Tensor split = cat([Read(x.narrow(1, 0, first)), Read(x.narrow(1, first, second))], 1);

        Assert.True((whole - split).abs().max().item<double>() < 1e-12);
        Assert.True((state.Inputs.Value - x.narrow(1, first + second - 3, 3)).abs().max().item<double>() == 0);

        Tensor Read(Tensor piece)
        {
            using var step = state.Begin(1, piece.shape[1]);
            Tensor y = convolution.call(piece, state.Inputs);
            step.Commit();
            return y;
        }
    }

    [Fact]
    public void WorksOnTheMetaDeviceAndIsNamedAsItsField()
    {
        using var convolution = new ShortConvolution(8, 4, device: META);
        Assert.Equal([2, 5, 8], convolution.call(empty([2, 5, 8], device: META), null).shape);
        Assert.Equal(["weight"], convolution.state_dict().Keys);
    }

    private sealed class Tail : MemoryState
    {
        public Tail() : base("Tail", "0", 1, CPU, ScalarType.Float64) => Inputs = new Layer(this).Inputs;

        public StateTensor Inputs { get; }

        private sealed class Layer : LayerState
        {
            public Layer(MemoryState owner) : base(owner, "layers.0") => Inputs = Cache("inputs", 3, 2);

            public StateTensor Inputs { get; }
        }
    }
}
