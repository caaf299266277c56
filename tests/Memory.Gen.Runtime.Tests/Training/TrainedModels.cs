using Memory.Gen;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>A model over bytes with every kind of state: memories, convolution tails, a window cache.</summary>
[MemoryModel(VocabSize = 256, Dim = 16, Pattern = "DA", FeedForward = 32)]
[LinearMemory('D', Rule = MemoryRule.GatedDelta, Heads = 2)]
[SlidingAttention('A', Heads = 2, Window = 6)]
public sealed partial class TinyHybrid;

/// <summary>The state spaces of Mamba and Mamba-2 over bytes.</summary>
[MemoryModel(VocabSize = 256, Dim = 16, Pattern = "SD", FeedForward = 0)]
[SelectiveStateSpace('S')]
[LinearMemory('D', Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 2, KeyDim = 8)]
public sealed partial class TinyStateSpaces;

/// <summary>Another model over bytes.</summary>
[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 2)]
public sealed partial class OtherModel;

/// <summary>
/// A model without sequence: a token's logit is the parameter times the tokens its row has read if the token is the favourite, else 0.
/// It asks for a loss beside that of the text where it has a pull.
/// </summary>
internal sealed class PositionModel : nn.Module<Tensor, Tensor>, IMemoryModel<PositionModel.State>
{
    private readonly Parameter slope;
    private readonly long vocabSize, favourite;
    private readonly double pull;

    public PositionModel(double slope, long vocabSize = 256, long favourite = 'a', double pull = 0) : base(nameof(PositionModel))
    {
        this.pull = pull;
        this.slope = new Parameter(tensor(new[] { slope }));
        (this.vocabSize, this.favourite) = (vocabSize, favourite);
        register_parameter("slope", this.slope);
    }

    public MemoryCard Card { get; } = new("PositionModel", 1, 0, 0, 0, 0, 0, null);

    public string Declaration => "0";

    public State NewState(long batch) => new(batch);

    public override Tensor forward(Tensor tokens)
    {
        using var state = NewState(tokens.shape[0]);
        return Prefill(tokens, state);
    }

    public Tensor Prefill(Tensor tokens, State state)
    {
        using var step = state.Begin(tokens.shape[0], tokens.shape[1]);
        using var scope = NewDisposeScope();
        Tensor read = state.Positions.unsqueeze(-1) + arange(tokens.shape[1], dtype: ScalarType.Int64);
        Tensor one = zeros([vocabSize], dtype: ScalarType.Float64);
        one[favourite] = 1;
        if (pull != 0)
            state.AddLoss(pull * slope.sum());
        step.Commit();
        return ((read * slope).unsqueeze(-1) * one).MoveToOuterDisposeScope();
    }

    public Tensor Read(Tensor tokens, State state) => Prefill(tokens, state).select(1, -1);

    public Tensor Step(Tensor token, State state) => Read(token.view(-1, 1), state);

    public State LoadState(string path, Device? device = null)
    {
        var state = new State(State.RowsOf(path));
        state.Load(path);
        return state;
    }

    internal sealed class State(long batch) : MemoryState("PositionModel", "0", batch, CPU, ScalarType.Float64)
    {
        public static long RowsOf(string path) => BatchOf(path);

        public void Load(string path) => Read(path);
    }
}
