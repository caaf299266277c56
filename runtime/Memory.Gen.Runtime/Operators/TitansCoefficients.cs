using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How much of the entering memory W, of the entering momentum S and of every write stands in the memory after each token of a chunk.</summary>
/// <remarks>
/// With eta the momentum factor, alpha the forgetting and w_i the write of token i (step size times minus gradient):
/// <code>
/// W_t = Kept_t W + Momentum_t S + sum_(i&lt;=t) Writes_ti w_i;   S_t = MomentumKept_t S + sum_(i&lt;=t) MomentumWrites_ti w_i
/// </code>
/// Writes is the product of the forgetting matrix and the momentum matrix: two scans in one.
/// </remarks>
/// <param name="Kept"><c>[M, C, 1]</c>; null where nothing is forgotten.</param>
/// <param name="Momentum"><c>[M, C, 1]</c>; null, like the next, where there is no momentum.</param>
/// <param name="MomentumKept"><c>[M, C, 1]</c></param>
/// <param name="Writes"><c>[M, C, C]</c></param>
/// <param name="MomentumWrites"><c>[M, C, C]</c>; without momentum the identity, and null.</param>
internal readonly record struct TitansCoefficients(Tensor? Kept, Tensor? Momentum, Tensor? MomentumKept, Tensor Writes, Tensor? MomentumWrites)
{
    /// <param name="eta">Momentum factors <c>[M, C]</c>; null for no momentum.</param>
    /// <param name="alpha">Forgetting <c>[M, C]</c>; null for none.</param>
    /// <param name="like">Shaped like them: what there is when both are null.</param>
    public static TitansCoefficients Of(Tensor? eta, Tensor? alpha, Tensor like)
    {
        Tensor keep = alpha is null ? ones_like(like, requires_grad: false) : 1 - alpha, decays = ProductMatrix.Of(keep);
        Tensor? kept = alpha is null ? null : FromStart(decays, keep);
        if (eta is null) return new TitansCoefficients(kept, null, null, decays, null);
        Tensor momenta = ProductMatrix.Of(eta), momentumKept = FromStart(momenta, eta);
        return new TitansCoefficients(kept, decays.bmm(momentumKept), momentumKept, decays.bmm(momenta), momenta);
    }

    /// <summary>The rows after the last token of every chunk, <c>[M, 1, ...]</c>: of the last chunk the last token that is there.</summary>
    /// <param name="layout">The chunks.</param>
    /// <param name="lengths">Leading tokens of each row that count; null for all.</param>
    /// <remarks>No token leaves memory and momentum alone, so the tokens that fill up a chunk must not be carried.</remarks>
    public TitansCoefficients Last(ChunkLayout layout, long[]? lengths)
    {
        if (lengths is not null)
        {
            long[] rows = [.. Enumerable.Range(0, (int)layout.M).Select(m => Counting(layout, lengths, m) + (m * (layout.C + 1)))];
            Tensor index = tensor(rows, device: Writes.device);
            return Entering().Each(x => x.flatten(0, 1).index_select(0, index).unsqueeze(1));
        }

        long end = layout.T - ((layout.N - 1) * layout.C) - 1;
        return Each(x =>
        {
            Tensor chunks = x.view(layout.N, layout.R, layout.C, -1);
            Tensor last = cat(new[] { chunks.narrow(0, 0, layout.N - 1).narrow(2, layout.C - 1, 1), chunks.narrow(0, layout.N - 1, 1).narrow(2, end, 1) }, 0);
            return last.view(layout.M, 1, -1);
        });
    }

    /// <summary>
    /// The same where a chunk is a block that is written at its end (<see cref="TitansOptions.Muon"/>): S = MomentumKept S + sum_i Writes_i w_i,
    /// of which nothing has come into W yet.
    /// </summary>
    /// <param name="layout">The chunks.</param>
    /// <param name="lengths">As for <see cref="Last"/>.</param>
    /// <param name="eta">Momentum factors <c>[M, C]</c>; null for no momentum.</param>
    public TitansCoefficients Blocks(ChunkLayout layout, long[]? lengths, Tensor? eta)
    {
        long[] all = lengths ?? [.. Enumerable.Repeat(layout.T, (int)layout.B)], counts = [.. Enumerable.Range(0, (int)layout.M).Select(m => Counting(layout, all, m))];
        Tensor count = tensor(counts, device: Writes.device).unsqueeze(1), counted = arange(layout.C, device: Writes.device).lt(count).to(Writes.dtype);

        // A block without tokens keeps its momentum.
        Tensor? mean = eta is null ? null : where(count.gt(0), (eta * counted).sum(1, keepdim: true) / count.clamp_min(1), ones_like(count, dtype: eta.dtype));
        return new TitansCoefficients(Last(layout, lengths).Kept, null, mean?.unsqueeze(2), counted.unsqueeze(1), null);
    }

    /// <summary>For every token of a chunk the rows before token <paramref name="starts"/> of it.</summary>
    public TitansCoefficients Before(Tensor starts) => Entering().Each(x => x.index_select(1, starts));

    // With a row in front, at which nothing has been read yet: [M, C + 1, ...].
    private TitansCoefficients Entering()
    {
        Tensor Front(Tensor x, double value) => cat(new[] { full_like(x.narrow(1, 0, 1), value, requires_grad: false), x }, 1);
        Tensor? FrontOf(Tensor? x, double value) => x is null ? null : Front(x, value);
        return new TitansCoefficients(FrontOf(Kept, 1), FrontOf(Momentum, 0), FrontOf(MomentumKept, 1), Front(Writes, 0), FrontOf(MomentumWrites, 0));
    }

    private TitansCoefficients Each(Func<Tensor, Tensor> change)
    {
        Tensor? Of(Tensor? x) => x is null ? null : change(x);
        return new TitansCoefficients(Of(Kept), Of(Momentum), Of(MomentumKept), change(Writes), Of(MomentumWrites));
    }

    // Tokens that count in chunk m of all.
    private static long Counting(ChunkLayout layout, long[] lengths, int m) =>
        Math.Clamp(lengths[m / layout.H % layout.B] - (m / layout.R * layout.C), 0, layout.C);

    // The product of a chunk's factors up to and including each token, [M, C, 1], from the factors between tokens.
    private static Tensor FromStart(Tensor between, Tensor factors) => between.narrow(2, 0, 1) * factors.narrow(1, 0, 1).unsqueeze(2);
}
