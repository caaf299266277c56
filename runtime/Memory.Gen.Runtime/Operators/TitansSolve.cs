using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The Titans memory that is one matrix, in chunks of many blocks: what its tokens write is the solution of a triangular system.</summary>
/// <remarks>
/// With w_i = theta_i u_i and u_i = v_i - B_i M_c^T k_i, c the state before the token's block, p its row in the coefficients, and B_i
/// the decay within the block where the gradient is taken after it, else 1:
/// <code>
/// (I + A) U = V - diag(B Kept_p) K W - diag(B Momentum_p) K S,   A_ij = B_i Writes_pj theta_j (k_i . k_j) for j before the block
/// </code>
/// A target T of the decay drops out: the memory is W - T, values are less K T, outputs more Q T.
/// </remarks>
internal static class TitansSolve
{
    /// <summary>Whether a call's writes are linear in the memory.</summary>
    public static bool Serves(TitansCall call) => call.Layers == 1 && call.Options.Clip is null && call.Residual is null;

    /// <inheritdoc cref="TitansLoop.Run"/>
    public static Tensor Run(TitansCall call, Tensor[] W, Tensor[] S, long chunk)
    {
        if (call.Target is not [var target])
        {
            (Tensor plain, W[0], Tensor? final) = Chunks(call, W[0], S.FirstOrDefault(), chunk);
            if (final is not null) S[0] = final;
            return plain;
        }

        Tensor At(Tensor x) => x.transpose(1, 2).matmul(target).transpose(1, 2);
        TitansCall offset = call with { V = call.V - At(call.K), Target = null };
        W[0] = W[0] - target;
        Tensor output = Run(offset, W, S, chunk) + At(call.Q);
        W[0] = W[0] + target;
        return output;
    }

    private static (Tensor Output, Tensor W, Tensor? S) Chunks(TitansCall call, Tensor initialState, Tensor? initialMomentum, long chunk)
    {
        long block = call.Options.Block, tokens = call.Q.shape[1];
        ChunkLayout layout = ChunkLayout.Of(call.Q, block >= tokens ? tokens : (chunk + block - 1) / block * block);
        (long N, long R, long C, long K, long V) = (layout.N, layout.R, layout.C, call.K.shape[3], call.V.shape[3]);
        Tensor queries = layout.SplitMatrices(call.Q), keys = layout.SplitMatrices(call.K), values = layout.SplitMatrices(call.V);
        Tensor gates = layout.SplitMatrices(call.Theta), theta = gates.unsqueeze(1), keysT = keys.transpose(1, 2).contiguous();
        Tensor? Gates(Tensor? x) => x is null ? null : layout.SplitMatrices(x);
        Tensor? alpha = Gates(call.Alpha);
        TitansCoefficients all = TitansCoefficients.Of(Gates(call.Eta), alpha, gates), last = all.Last(layout);

        // Rows of the state before each token's block: row 0 is the chunk's entering state, row i the state after token i - 1.
        Tensor blockStarts = tensor(Enumerable.Range(0, (int)C).Select(i => i / block * block).ToArray(), device: keys.device);
        Tensor none = zeros_like(all.Writes.narrow(1, 0, 1), requires_grad: false);
        Tensor Before(Tensor after, double entering) =>
            cat(new[] { none.narrow(2, 0, after.shape[2]) + entering, after }, 1).index_select(1, blockStarts);
        Tensor? kept = all.Kept is null ? null : Before(all.Kept, 1), momentum = all.Momentum is null ? null : Before(all.Momentum, 0);
        Tensor before = Before(all.Writes, 0), solved = keys;
        if (call.Options.DecaysFirst && alpha is not null) solved = keys * SinceBlock(1 - alpha, blockStarts);

        // U = X - Y W - Z S with everything but the states in one batch; in a chunk that is one block, I + A = I and Z = 0.
        Tensor? inverse = C <= block ? null : UnitLowerInverse.Of(before * theta * solved.bmm(keysT));
        Tensor Solution(Tensor x) => inverse is null ? x : inverse.bmm(x);
        Tensor Scaled(Tensor x, Tensor? rows) => rows is null ? x : x * rows;
        (Tensor? readKept, Tensor? readMomentum, Tensor readWrites) =
            call.Options.ReadsBlockStart ? (kept, momentum, before) : (all.Kept, all.Momentum, all.Writes);
        Tensor P = readWrites * theta * queries.bmm(keysT);
        Tensor[] Steps(Tensor x) => x.view(N, R, x.shape[1], x.shape[2]).unbind();
        Tensor[] Xs = Steps(Solution(values)), Ys = Steps(Solution(Scaled(solved, kept))), Ps = Steps(P), qWs = Steps(Scaled(queries, readKept));
        Tensor[] ws = Steps(keysT * (last.Writes * theta));
        Tensor[]? kepts = last.Kept is null ? null : Steps(last.Kept);
        Tensor W = initialState.reshape(R, K, V);
        var outputs = new Tensor[N];
        if (initialMomentum is null)
        {
            for (int n = 0; n < N; n++)
            {
                Tensor U = Xs[n] - Ys[n].bmm(W);
                outputs[n] = qWs[n].bmm(W) + Ps[n].bmm(U);
                W = (kepts is null ? W : W * kepts[n]) + ws[n].bmm(U);
            }

            return (layout.Merge(cat(outputs, 0)), W.view(initialState.shape), null);
        }

        Tensor S = initialMomentum.reshape(R, K, V);
        Tensor[]? Zs = inverse is null ? null : Steps(Solution(solved * momentum!));
        Tensor[] qSs = Steps(queries * readMomentum!);
        Tensor[] ss = Steps(keysT * (last.MomentumWrites! * theta)), momenta = Steps(last.Momentum!), momentaKept = Steps(last.MomentumKept!);
        for (int n = 0; n < N; n++)
        {
            Tensor U = Xs[n] - Ys[n].bmm(W);
            if (Zs is not null) U = U - Zs[n].bmm(S);
            outputs[n] = qWs[n].bmm(W) + qSs[n].bmm(S) + Ps[n].bmm(U);
            W = (kepts is null ? W : W * kepts[n]) + (S * momenta[n]) + ws[n].bmm(U);
            S = (S * momentaKept[n]) + ss[n].bmm(U);
        }

        return (layout.Merge(cat(outputs, 0)), W.view(initialState.shape), S.view(initialState.shape));
    }

    // The factors of a block's tokens up to and including each, [M, C, 1].
    private static Tensor SinceBlock(Tensor keep, Tensor blockStarts)
    {
        Tensor first = eye(keep.shape[1], dtype: keep.dtype, device: keep.device).index_select(0, blockStarts);
        return ((ProductMatrix.Of(keep) * first).sum(2) * keep.index_select(1, blockStarts)).unsqueeze(2);
    }
}
