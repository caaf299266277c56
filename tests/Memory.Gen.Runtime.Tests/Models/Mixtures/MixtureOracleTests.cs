using Memory.Gen.Runtime.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Mixtures;

/// <summary>A mixture of memories against its definition, in float64: outputs, all gradients, final states.</summary>
public sealed class MixtureOracleTests : IDisposable
{
    private const long Rows = 2, Tokens = 13, Width = 6;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => MixtureCase.All;

    public static TheoryData<string> Maskable => MixtureCase.Maskable;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ItIsTheTokenByTokenDefinition(string name)
    {
        using var layer = MixtureCase.New(name);
        Tensor x = layer.Normal(Rows, Tokens, Width).requires_grad_();
        TokenOracle[] oracles = [.. Enumerable.Range(0, (int)Rows).Select(_ => new TokenOracle(layer))];
        Tensor expected = stack([.. oracles.Select((oracle, b) => oracle.Read(x[b]))], 0);
        using MemoryState state = layer.Memory.NewState(Rows);
        Tensor actual = layer.Memory.Prefill(x, state);

        Numbers.Near(expected, actual, 1e-12, "outputs");
        CheckGradients(layer, x, expected, actual);
        for (int b = 0; b < Rows; b++)
            for (int m = 0; m < layer.Memories + (layer.HasShared ? 1 : 0); m++)
            {
                foreach ((string part, Tensor? expectedPart) in layer.Kept.Zip([oracles[b][m]?.S, oracles[b][m]?.P]))
                    CheckState(layer, state, b, m, part, expectedPart);
                foreach (string tail in new[] { "query", "key", "value" }.Where(name => layer.Weight(name + "_convolution.weight") is not null))
                    CheckState(layer, state, b, m, tail + "_tail", oracles[b][m]?.Ring(tail, 0, x) is { } ring ? stack([.. ring], 0) : null);
            }
    }

    /// <summary>A memory reads the whole row, and tokens of other memories are such as change nothing.</summary>
    [Theory, MemberData(nameof(Maskable))]
    public void ItIsEveryMemoryOverTheWholeRowWithTheOthersTokensMasked(string name)
    {
        using var layer = MixtureCase.New(name);
        Tensor x = layer.Normal(Rows, Tokens, Width).requires_grad_();
        using MemoryState state = layer.Memory.NewState(Rows);
        Tensor actual = layer.Memory.Prefill(x, state);

        Tensor logits = nn.functional.linear(x, layer.Weight("router.weight")!);
        Tensor chosen = zeros_like(logits).scatter(2, Routing.Largest(logits.detach(), layer.TopK), ones([Rows, Tokens, layer.TopK], dtype: x.dtype));
        Tensor weights = logits.exp() * chosen / (logits.exp() * chosen).sum(2, keepdim: true);
        (Tensor read, Tensor own) = layer.HasShared ? Masked(layer.Memories, ones([Rows, Tokens], dtype: x.dtype)) : (0.0, 0.0);
        for (int m = 0; m < layer.Memories; m++)
        {
            Tensor weight = weights.select(2, m).view(Rows, Tokens, 1, 1);
            (Tensor o, Tensor u) = Masked(m, chosen.select(2, m));
            (read, own) = (read + weight * o, own + weight * u);
        }

        if (layer.Rule == MemoryRule.GatedSlots)
            read = read.silu();
        Tensor normed = read / (read.pow(2).mean([3], keepdim: true) + 1e-6).sqrt() * layer.Weight("norm.weight")! + own;
        if (layer.Weight("gate.weight") is { } gate)
            normed = normed * nn.functional.linear(x, gate).view(normed.shape).silu();
        Tensor expected = nn.functional.linear(normed.flatten(2), layer.Weight("output.weight")!);

        Numbers.Near(expected, actual, 1e-12, "outputs");
        CheckGradients(layer, x, expected, actual);

        // What is read, and what is added behind the norm.
        (Tensor Read, Tensor Own) Masked(int m, Tensor mask)
        {
            long[] writes = layer.Writes == 1 ? [] : [layer.Writes];
            Tensor Heads(Tensor weight, long[] writes, long heads) => nn.functional.linear(x, weight).view([Rows, Tokens, .. writes, heads, -1]);
            Tensor Keys(Tensor weight, long[] writes) => Heads(weight, writes, layer.KeyHeads).repeat_interleave(layer.Heads / layer.KeyHeads, dim: -2);
            Tensor q = Keys(layer.Weight("query.weight")!, []), k = Keys(layer.Weight(layer.Rule == MemoryRule.TiedDecay ? "forget" : "key", m), writes), v = Heads(layer.Weight("value", m), writes, layer.Heads), here = mask.unsqueeze(2);
            if (layer.Rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta)
                (q, k) = (UnitLength.Apply(q), UnitLength.Apply(k));
            else if (layer.Rule != MemoryRule.TiedDecay)
                k = k * here.unsqueeze(3);
            Tensor Strengths() => layer.Strongest * Gate("write_strength").sigmoid() * here;
            Tensor Gate(string gate) => nn.functional.linear(x, layer.Weight(gate, m));
            Tensor Channels() => nn.functional.linear(Gate("decay_down"), layer.Weight("decay_up", m)) + layer.Weight("decay_bias")!;
            Tensor LogDecay() => -layer.Weight("decay_rate")!.exp() * (Gate("decay") + layer.Weight("decay_bias")!).exp().log1p() * here;
            if (layer.Rule == MemoryRule.GatedSlots)
            {
                SlotRead slots = GatedSlotAttention.Apply(
                    q.silu(), k.silu(), v.silu(), Gate("forget").log_sigmoid().view(Rows, Tokens, layer.Heads, -1) / 8 * here.unsqueeze(3), scale: 1, form: OperatorForm.Reference);
                Numbers.Near(slots.FinalKeys, Held(layer, state, m, "slot_keys"), 1e-12, $"keys of memory {m}");
                Numbers.Near(slots.FinalValues, Held(layer, state, m, "slot_values"), 1e-12, $"values of memory {m}");
                return (slots.Output, 0.0);
            }

            Tensor own = 0.0, kappa = 0.0, rate = 0.0;
            if (layer.Rule == MemoryRule.GeneralizedDelta)
            {
                kappa = UnitLength.Apply(k * Vector("removal"));
                rate = (nn.functional.linear(Gate("rate_down"), layer.Weight("rate_up", m)) + layer.Weight("rate_bias")!).sigmoid().view(k.shape);
                k = k * (1 + (rate - 1) * Vector("replacement"));
                own = (q * k * Vector("bonus")).sum(3, keepdim: true) * v;
            }

            Tensor Vector(string name) => layer.Weight(name)!.view(layer.Heads, -1);
            MemoryRead result = layer.Rule switch
            {
                MemoryRule.GeneralizedDelta => GeneralizedDeltaRule.Apply(
                    q, k, v, -kappa, rate * kappa * here.unsqueeze(3),
                    -Math.Exp(-0.5) * (nn.functional.linear(Gate("decay_down").tanh(), layer.Weight("decay_up", m)) + layer.Weight("decay_bias")!).sigmoid().view(k.shape) * here.unsqueeze(3),
                    form: OperatorForm.Reference),
                MemoryRule.TiedDecay => ChannelDecay.Apply(q.silu(), k.neg().sigmoid() * here.unsqueeze(3), v, k.log_sigmoid() * here.unsqueeze(3), form: OperatorForm.Reference),
                MemoryRule.Linear => LinearAttention.Apply(q, k, v, form: OperatorForm.Reference),
                MemoryRule.ScalarDecay => ScalarDecay.Apply(q, k, v, LogDecay(), form: OperatorForm.Reference),
                MemoryRule.ChannelDecay => ChannelDecay.Apply(
                    q, k, v, Channels().log_sigmoid().view(k.shape) / 16 * here.unsqueeze(3), form: OperatorForm.Reference),
                MemoryRule.BonusDecay => BonusDecay.Apply(
                    q, k, v, -(nn.functional.linear(Gate("decay_down").tanh(), layer.Weight("decay_up", m)) + layer.Weight("decay_bias")!).exp().view(k.shape) * here.unsqueeze(3),
                    layer.Weight("bonus")!.view(layer.Heads, -1), form: OperatorForm.Reference),
                MemoryRule.ChannelDelta => ChannelDeltaRule.Apply(
                    q, k, v, Strengths(), -layer.Weight("decay_rate")!.exp().unsqueeze(1) * Channels().exp().log1p().view(k.shape) * here.unsqueeze(3), form: OperatorForm.Reference),
                MemoryRule.GatedDelta when layer.Writes > 1 => DeltaProduct.Apply(
                    q, k, v, Strengths().view(k.shape[..^1]), LogDecay(), form: OperatorForm.Reference),
                MemoryRule.Delta => DeltaRule.Apply(q, k, v, Strengths(), form: OperatorForm.Reference),
                _ => GatedDeltaRule.Apply(q, k, v, Strengths(), LogDecay(), form: OperatorForm.Reference),
            };
            Numbers.Near(result.FinalState, Held(layer, state, m, "memory"), 1e-12, $"state of memory {m}");
            return (result.Output, own);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AMemoryMayGetEverythingOrNothing(bool everything)
    {
        using var layer = MixtureCase.New(nameof(PlainGatedDeltaMixture));
        // The first feature is one, so that the router's first column is a bias.
        using (no_grad())
            layer.Weight("router.weight")!.select(1, 0).copy_(tensor(new[] { 0.0, everything ? 100 : -100, 0 }));
        Tensor x = layer.Normal(Rows, Tokens, Width);
        x.select(2, 0).fill_(1);
        using MemoryState state = layer.Memory.NewState(Rows);
        Tensor actual = layer.Memory.Prefill(x, state);
        Tensor expected = stack([.. Enumerable.Range(0, (int)Rows).Select(b => new TokenOracle(layer).Read(x[b]))], 0);
        Numbers.Near(expected, actual, 1e-12, "outputs");
        foreach (int m in everything ? [0, 2] : new[] { 1 })
            Assert.Equal(0, Held(layer, state, m, "memory").abs().max().item<double>());
    }

    private static void CheckGradients(MixtureCase layer, Tensor x, Tensor expected, Tensor actual)
    {
        (string, Tensor)[] inputs = [("x", x), .. layer.Layer.named_parameters().Select(p => (p.name, (Tensor)p.parameter))];
        Numbers.NearGradients(expected, actual, inputs, layer.Normal(expected.shape), 1e-10);
    }

    private static void CheckState(MixtureCase layer, MemoryState state, int row, int memory, string name, Tensor? expected)
    {
        Tensor actual = Held(layer, state, memory, name)[row];
        Numbers.Near(expected ?? zeros_like(actual), actual, 1e-12, $"{name} of memory {memory}, row {row}");
    }

    /// <summary>A part of the state of one memory, <c>[B, ...]</c>.</summary>
    internal static Tensor Held(MixtureCase layer, MemoryState state, int memory, string name)
    {
        string full = "mixer." + (!layer.HasShared ? "" : memory == layer.Memories ? "shared." : "memories.") + name;
        Tensor value = state.Tensors.Single(t => t.Name == full).Value;
        return memory == layer.Memories ? value : value.select(1, memory);
    }
}
