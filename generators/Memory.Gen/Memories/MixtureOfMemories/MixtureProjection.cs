using System.Collections.Generic;
using Memory.Gen.Generators.Memories.LinearMemory;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>What a memory makes of a token beside its query: a product of one or two matrices, then an activation.</summary>
/// <param name="Name">The variable it goes under: <c>k</c>, <c>beta</c>.</param>
/// <param name="Activation">The lines that finish it, in terms of the variable; none for keys and values.</param>
/// <param name="Factors">The matrices, the first to be applied first.</param>
internal sealed record MixtureProjection(string Name, string[] Activation, params MixtureFactor[] Factors)
{
    /// <summary>The projections of a memory: keys, values, gates.</summary>
    public static MixtureProjection[] Of(LinearMemorySpec memory, int dim)
    {
        long width = dim, keys = (long)memory.Heads * memory.KeyDim, rank = memory.DecayRank;
        MixtureProjection strength = Gate("beta", "write_strength", LinearMemoryLines.WriteStrength(memory, "beta", "R, L"));
        MixtureProjection decay = Gate("g", "decay", "LogDecay.Apply(g, decay_rate, decay_bias);  // [R, L, H], log decay, <= 0: -e^a softplus(. + b)");
        IEnumerable<MixtureProjection> gates = memory.Rule switch
        {
            MemoryRule.Linear or MemoryRule.TiedDecay => [],
            MemoryRule.ScalarDecay => [decay],
            MemoryRule.ChannelDecay => [Channels("g = (g + decay_bias).log_sigmoid().view(R, L, Heads, KeyDim) / DecayTemperature;  // [R, L, H, K], log decay, <= 0")],
            MemoryRule.BonusDecay => [Channels("g = -(g + decay_bias).exp().view(R, L, Heads, KeyDim);  // [R, L, H, K], log decay, <= 0", between: ".tanh()")],
            MemoryRule.GeneralizedDelta =>
            [
                Channels("g = -FastestDecay * (g + decay_bias).sigmoid().view(R, L, Heads, KeyDim);  // [R, L, H, K], log decay, <= 0", between: ".tanh()"),
                LowRank("a", "rate", ["a = (a + rate_bias).sigmoid().view(R, L, Heads, KeyDim);  // [R, L, H, K], in-context learning rate in (0, 1)", .. LinearMemoryLines.TwoKeys("R, L")]),
            ],
            MemoryRule.GatedSlots =>
            [
                new(
                    "g", ["g = LogDecay.Sigmoid(g.view(R, L, Heads, Slots), least: 0.0) / DecayTemperature;  // [R, L, H, N], log decay, <= 0: ln(alpha)"],
                    new MixtureFactor("forget", "Dim", "Heads * Slots", "D -> H*N", width * memory.Heads * memory.Slots)),
            ],
            MemoryRule.ChannelDelta => [strength, Channels("g = LogDecay.Channels(g, decay_rate, decay_bias);  // [R, L, H, K], log decay, <= 0: -e^a softplus(. + b)")],
            MemoryRule.Delta => [strength],
            MemoryRule.Titans =>
            [
                Gate("eta", "momentum", "eta.to(forgetting_bias.dtype).sigmoid();  // [R, L, H], momentum factor in (0, 1)"),
                Gate("theta", "step_size", "(1.0 - eta) * theta.to(eta.dtype).sigmoid();  // [R, L, H], step size: with its momentum a step sums to less than 1"),
                Gate("alpha", "forgetting", "(alpha + forgetting_bias).sigmoid();  // [R, L, H], forgetting in (0, 1)"),
            ],
            _ => [strength, decay],
        };
        return
        [
            memory.IsTied
                ? new("f", [.. LinearMemoryLines.Tied("f", "R, L")], new MixtureFactor("forget", "Dim", "Heads * KeyDim", "D -> H*K", width * keys))
                : new("k", [], Features("key", "KeyDim", "K", memory.KeyDim)),
            new("v", [], Features("value", "ValueDim", "V", memory.ValueDim)),
            .. gates,
        ];

        MixtureProjection Channels(string activation, string between = "") => LowRank("g", "decay", [activation], between);

        MixtureProjection LowRank(string name, string field, string[] activation, string between = "") => new(
            name, activation,
            new MixtureFactor(field + "_down", "Dim", LinearMemoryTexts.Rank(memory), "D -> J", width * rank),
            new MixtureFactor(field + "_up", LinearMemoryTexts.Rank(memory), "Heads * KeyDim", "J -> H*K", rank * keys, between));

        MixtureProjection Gate(string name, string field, string activation)
        {
            (string constant, string letter, long count) = LinearMemoryHeads.Of(memory, field);
            return new(name, [$"{name} = {activation}"], new MixtureFactor(field, "Dim", constant, "D -> " + letter, width * count));
        }

        MixtureFactor Features(string field, string features, string letter, long each)
        {
            (string constant, string heads, long count) = LinearMemoryHeads.Of(memory, field);
            return new(field, "Dim", $"{constant} * {features}", $"D -> {heads}*{letter}", width * count * each);
        }
    }
}

/// <summary>A matrix of a projection.</summary>
/// <param name="Field">Its module's field.</param>
/// <param name="Inputs">Features that come in, as code.</param>
/// <param name="Outputs">Features that go out, as code.</param>
/// <param name="Axes">Both as axes.</param>
/// <param name="Weights">Numbers in it.</param>
/// <param name="Before">The call that what comes in goes through first; empty for none.</param>
internal sealed record MixtureFactor(string Field, string Inputs, string Outputs, string Axes, long Weights, string Before = "");
