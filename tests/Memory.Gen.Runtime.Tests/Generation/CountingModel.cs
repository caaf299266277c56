using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Generation;

/// <summary>
/// A model whose next token is likely (last token + tokens read) mod 7, and which remembers every token it read.
/// </summary>
internal sealed class CountingModel(double sharpness = 3) : IMemoryModel<CountingModel.State>
{
    public const int Symbols = 7;

    public MemoryCard Card { get; } = new("CountingModel", 0, 0, 0, 1, 0, 0, null);

    public string Declaration => "0";

    public State NewState(long batch) => new(batch);

    public Tensor Prefill(Tensor tokens, State state)
    {
        using var step = state.Begin(tokens.shape[0], tokens.shape[1]);
        using var scope = NewDisposeScope();
        state.Seen.Update(cat([state.Seen.Value, tokens.to(ScalarType.Float64).unsqueeze(-1)], 1));
        Tensor positions = state.Positions.unsqueeze(-1) + arange(1, tokens.shape[1] + 1, dtype: ScalarType.Int64);
        Tensor logits = nn.functional.one_hot((tokens + positions).remainder(Symbols), Symbols).to(ScalarType.Float64) * sharpness;
        step.Commit();
        return logits.MoveToOuterDisposeScope();
    }

    public Tensor Read(Tensor tokens, State state)
    {
        using var logits = Prefill(tokens, state);
        return logits.select(1, -1).clone();
    }

    public Tensor Step(Tensor token, State state) => Read(token.view(-1, 1), state);

    public State LoadState(string path, Device? device = null) => throw new NotSupportedException();

    internal sealed class State : MemoryState
    {
        public State(long batch) : base("CountingModel", "0", batch, CPU, ScalarType.Float64) => Seen = new Layer(this).Seen;

        public StateTensor Seen { get; }

        public long[] Tokens => [.. Seen.Value.data<double>().ToArray().Select(t => (long)t)];

        protected override MemoryState New(long batch) => new State(batch);

        private sealed class Layer : LayerState
        {
            public Layer(MemoryState owner) : base(owner, "layers.0") => Seen = GrowingCache("seen", 1);

            public StateTensor Seen { get; }
        }
    }
}
