using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.StateSpaces;

[MemoryLayer(Dim = 6)]
[SelectiveStateSpace]
public sealed partial class PaperSelective;

[MemoryLayer(Dim = 6)]
[SelectiveStateSpace(Expansion = 3, StateDim = 5, ConvWidth = 2, StepRank = 4)]
public sealed partial class UnusualSelective;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 3, KeyDim = 5)]
public sealed partial class OneGroupStateSpace;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 6, Groups = 2, KeyDim = 3, ValueDim = 4, ConvWidth = 2)]
public sealed partial class TwoGroupStateSpace;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 2, Groups = 2)]
public sealed partial class OwnGroupStateSpace;

/// <summary>A state space layer with weights of ordinary size, and the oracle of what it computes.</summary>
internal sealed class StateSpaceCase : IDisposable
{
    private readonly Generator random = new(7, CPU);
    private readonly ScalarType dtype;

    public StateSpaceCase(string name, ScalarType dtype = ScalarType.Float64)
    {
        this.dtype = dtype;
        Layer = New(name, dtype);
        RandomWeights.Fill(Layer, 0.5, Normal);
    }

    public static TheoryData<string> All =>
        [nameof(PaperSelective), nameof(UnusualSelective), nameof(OneGroupStateSpace), nameof(TwoGroupStateSpace), nameof(OwnGroupStateSpace)];

    public nn.Module<Tensor, Tensor> Layer { get; }

    public IMemoryLayer Memory => (IMemoryLayer)Layer;

    public Tensor Weight(string name) => Layer.get_parameter("mixer." + name)!;

    public Tensor Normal(params long[] shape) => randn(shape, dtype: dtype, generator: random);

    /// <summary>A layer with fresh weights.</summary>
    public static nn.Module<Tensor, Tensor> New(string name, ScalarType dtype) => name switch
    {
        nameof(PaperSelective) => new PaperSelective(dtype: dtype),
        nameof(UnusualSelective) => new UnusualSelective(dtype: dtype),
        nameof(OneGroupStateSpace) => new OneGroupStateSpace(dtype: dtype),
        nameof(TwoGroupStateSpace) => new TwoGroupStateSpace(dtype: dtype),
        _ => new OwnGroupStateSpace(dtype: dtype),
    };

    /// <summary>One sequence <c>[T, D]</c> through the oracle: its outputs and its last states.</summary>
    public (Tensor Outputs, Tensor State) Expected(Tensor x)
    {
        double[][] tokens = [.. x.detach().unbind(0).Select(row => row.to(ScalarType.Float64).contiguous().data<double>().ToArray())];
        Dictionary<string, double[]> weights = Layer.named_parameters().ToDictionary(
            p => p.name["mixer.".Length..], p => p.parameter.detach().to(ScalarType.Float64).contiguous().data<double>().ToArray());
        IStateSpaceOracle oracle = Layer switch
        {
            PaperSelective or UnusualSelective => new SelectiveOracle(weights),
            OneGroupStateSpace => new SharedDecayOracle(weights, groups: 1),
            _ => new SharedDecayOracle(weights, groups: 2),
        };
        double[][] outputs = [.. tokens.Select(oracle.Read)];
        return (stack([.. outputs.Select(y => tensor(y))], 0), tensor(oracle.State));
    }

    public void Dispose()
    {
        Layer.Dispose();
        random.Dispose();
    }
}
