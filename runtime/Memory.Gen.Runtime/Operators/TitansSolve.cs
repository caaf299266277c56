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
/// With a target T of the decay, W stands for W - T in all of this: values are less K T, outputs more Q T.
/// </remarks>
internal static class TitansSolve
{
    /// <summary>Whether a call's writes are linear in the memory.</summary>
    public static bool Serves(TitansCall call) => call.Layers == 1 && call.Options.Clip is null && call.Options.Muon is null && call.Residual is null;

    /// <inheritdoc cref="TitansLoop.Run"/>
    public static Tensor Run(TitansCall call, Tensor[] W, Tensor[] S, long chunk)
    {
        if (call.TargetOf(0) is not { } target) return Chunks(call, W, S, chunk);
        Tensor At(Tensor x) => x.transpose(1, 2).matmul(target).transpose(1, 2);
        return Chunks(call with { V = call.V - At(call.K) }, W, S, chunk) + At(call.Q);
    }

    private static Tensor Chunks(TitansCall call, Tensor[] weights, Tensor[] momenta, long chunk)
    {
        long block = call.Options.Block, tokens = call.Q.shape[1];
        ChunkLayout layout = ChunkLayout.Of(call.Q, block >= tokens ? tokens : (chunk + block - 1) / block * block);
        (long N, long R, long C, long K, long V) = (layout.N, layout.R, layout.C, call.K.shape[3], call.V.shape[3]);
        Tensor queries = layout.SplitMatrices(call.Q), keys = layout.SplitMatrices(call.K), values = layout.SplitMatrices(call.V);
        Tensor gates = layout.SplitMatrices(call.Theta), theta = gates.unsqueeze(1), keysT = keys.transpose(1, 2).contiguous();
        Tensor? Gates(Tensor? x) => x is null ? null : layout.SplitMatrices(x);
        Tensor? alpha = Gates(call.Alpha);
        TitansCoefficients all = TitansCoefficients.Of(Gates(call.Eta), alpha, gates), last = all.Last(layout, call.Lengths);

        // Rows of the state before each token's block: row 0 is the chunk's entering state, row i the state after token i - 1.
        Tensor blockStarts = tensor(Enumerable.Range(0, (int)C).Select(i => i / block * block).ToArray(), device: keys.device);
        TitansCoefficients before = all.Before(blockStarts);
        Tensor solved = keys;
        if (call.Options.DecaysFirst && alpha is not null) solved = keys * SinceBlock(1 - alpha, blockStarts);

        // U = X - Y W - Z S with everything but the states in one batch; in a chunk that is one block, I + A = I and Z = 0.
        Tensor? inverse = C <= block ? null : UnitLowerInverse.Of(before.Writes * theta * solved.bmm(keysT));
        Tensor Solution(Tensor x) => inverse is null ? x : inverse.bmm(x);
        Tensor Scaled(Tensor x, Tensor? rows) => rows is null ? x : x * rows;
        TitansCoefficients read = call.Options.ReadsBlockStart ? before : all;
        Tensor P = read.Writes * theta * queries.bmm(keysT);
        Tensor[] Steps(Tensor x) => x.view(N, R, x.shape[1], x.shape[2]).unbind();
        Tensor[] Xs = Steps(Solution(values)), Ys = Steps(Solution(Scaled(solved, before.Kept))), Ps = Steps(P), qWs = Steps(Scaled(queries, read.Kept));
        Tensor[] ws = Steps(keysT * (last.Writes * theta));
        Tensor[]? kepts = last.Kept is null ? null : Steps(last.Kept);
        Tensor W = weights[0].reshape(R, K, V);
        Tensor? target = call.TargetOf(0)?.reshape(R, K, V), S = momenta.FirstOrDefault()?.reshape(R, K, V);
        Tensor[]? OfMomentum(Func<Tensor> x) => S is null ? null : Steps(x());
        Tensor[]? Zs = inverse is null ? null : OfMomentum(() => Solution(solved * before.Momentum!)), qSs = OfMomentum(() => queries * read.Momentum!);
        Tensor[]? shares = OfMomentum(() => last.Momentum!), momentaKept = OfMomentum(() => last.MomentumKept!);
        Tensor[]? ss = OfMomentum(() => keysT * (last.MomentumWrites! * theta));
        var outputs = new Tensor[N];
        for (int n = 0; n < N; n++)
        {
            Tensor M = target is null ? W : W - target, U = Xs[n] - Ys[n].bmm(M);
            if (Zs is not null) U = U - Zs[n].bmm(S!);
            outputs[n] = qWs[n].bmm(M) + Ps[n].bmm(U);
            W = TitansMemory.Decayed(kepts?[n], W, target) + ws[n].bmm(U);
            if (S is null) continue;
            outputs[n] = outputs[n] + qSs![n].bmm(S);
            W = W + (S * shares![n]);
            S = (S * momentaKept![n]) + ss![n].bmm(U);
        }

        weights[0] = W.view(weights[0].shape);
        if (S is not null) momenta[0] = S.view(weights[0].shape);
        return layout.Merge(cat(outputs, 0));
    }

    // The factors of a block's tokens up to and including each, [M, C, 1].
    private static Tensor SinceBlock(Tensor keep, Tensor blockStarts)
    {
        Tensor first = eye(keep.shape[1], dtype: keep.dtype, device: keep.device).index_select(0, blockStarts);
        return ((ProductMatrix.Of(keep) * first).sum(2) * keep.index_select(1, blockStarts)).unsqueeze(2);
    }
}
