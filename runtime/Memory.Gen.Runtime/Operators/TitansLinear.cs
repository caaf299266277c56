using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What a linear Titans memory returns.</summary>
/// <param name="Output">What every token read, <c>[B, T, H, V]</c>.</param>
/// <param name="FinalState">The memory after the last token.</param>
/// <param name="FinalMomentum">Its momentum.</param>
public readonly record struct TitansRead(Tensor Output, Tensor FinalState, Tensor FinalMomentum);

/// <summary>
/// A matrix that learns while it reads: G = k (M_c^T k - v)^T at the memory M_c its block started with,
/// S = eta S - theta G, M = (1 - alpha) M + S, read o = M^T q.
/// </summary>
/// <remarks>Behrouz, Zhong, Mirrokni: Titans (arXiv 2501.00663), section 3.</remarks>
public static class TitansLinear
{
    private const string Name = "titans_linear";

    /// <summary>Reads a whole sequence, or continues one; a call begins a block.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="theta">Step size <c>[B, T, H]</c>, positive.</param>
    /// <param name="eta">Momentum factor <c>[B, T, H]</c>, 0 to 1.</param>
    /// <param name="alpha">Forgetting <c>[B, T, H]</c>, 0 to 1.</param>
    /// <param name="block">Tokens whose gradients are taken at the same memory; part of the model, not of the computation.</param>
    /// <param name="initialState">Memory <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="initialMomentum">Momentum <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk, rounded up to whole blocks; null for the default. Changes rounding only.</param>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static TitansRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor theta, Tensor eta, Tensor alpha, int block,
        Tensor? initialState = null, Tensor? initialMomentum = null, OperatorForm? form = null, int? chunk = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        door.Gate(nameof(theta), theta, "BTH");
        door.Gate(nameof(eta), eta, "BTH");
        door.Gate(nameof(alpha), alpha, "BTH");
        door.State(nameof(initialState), initialState, "BHKV");
        door.State(nameof(initialMomentum), initialMomentum, "BHKV");
        door.AtLeastOne('K');
        door.Positive(nameof(block), block);
        door.Positive(nameof(chunk), chunk);
        var kernel = new TitansKernel.Options(block, 1);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => TitansKernel.Refusal(door, kernel, [door['K'], door['V']]));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native)
        {
            List<Tensor> outputs = TitansKernel.Run(kernel, q, k, v, theta, eta, alpha, initialState, initialMomentum);
            foreach (Tensor each in outputs) each.MoveToOuterDisposeScope();
            return new TitansRead(outputs[0], outputs[1], outputs[2]);
        }

        long B = door['B'], T = door['T'], H = door['H'], K = door['K'], V = door['V'];
        Tensor Empty() => zeros([B, H, K, V], dtype: door.Accumulation, device: door.Device);
        Tensor[] x = [.. new[] { q, k, v, theta, eta, alpha }.Select(each => each.to(door.Accumulation))];
        Tensor W = initialState ?? Empty(), S = initialMomentum ?? Empty();
        TitansRead read = B * T * H * V == 0 ? new(zeros([B, T, H, V], dtype: door.Accumulation, device: door.Device), W.clone(), S.clone())
            : chosen == OperatorForm.Reference || T == 1 ? Loop(x, W, S, block)
            : Chunks(x, W, S, block, chunk ?? ChunkLayout.DefaultLength);
        return new TitansRead(
            read.Output.to(door.Dtype).MoveToOuterDisposeScope(), read.FinalState.MoveToOuterDisposeScope(), read.FinalMomentum.MoveToOuterDisposeScope());
    }

    private static TitansRead Loop(Tensor[] x, Tensor W, Tensor S, long block)
    {
        var outputs = new Tensor[x[0].shape[1]];
        Tensor started = W;
        for (int t = 0; t < outputs.Length; t++)
        {
            if (t % block == 0) started = W;
            Tensor At(int input) => x[input].select(1, t).unsqueeze(-2);
            Tensor Gate(int input) => x[input].select(1, t).unsqueeze(-1).unsqueeze(-1);
            Tensor error = At(1).matmul(started) - At(2);
            S = (Gate(4) * S) - (Gate(3) * At(1).transpose(-1, -2).matmul(error));
            W = ((1 - Gate(5)) * W) + S;
            outputs[t] = At(0).matmul(W).squeeze(-2);
        }

        return new TitansRead(stack(outputs, 1), W, S);
    }

    // With w_i = theta_i u_i and u_i = v_i - M_c^T k_i, c the state before the token's block and p its row in the coefficients:
    // (I + A) U = V - diag(Kept_p) K W - diag(Momentum_p) K S,  A_ij = Writes_pj theta_j (k_i . k_j) for j before the block.
    private static TitansRead Chunks(Tensor[] x, Tensor initialState, Tensor initialMomentum, long block, long chunk)
    {
        long length = block >= x[0].shape[1] ? x[0].shape[1] : (chunk + block - 1) / block * block;
        ChunkLayout layout = ChunkLayout.Of(x[0], length);
        (long N, long R, long C, long K, long V) = (layout.N, layout.R, layout.C, x[0].shape[3], x[2].shape[3]);
        Tensor[] y = [.. x.Select(layout.SplitMatrices)];
        Tensor queries = y[0], keys = y[1], values = y[2], theta = y[3].unsqueeze(1);
        TitansCoefficients all = TitansCoefficients.Of(y[4], y[5]);
        Tensor keysT = keys.transpose(1, 2).contiguous();

        // Rows of the state before each token's block: row 0 is the chunk's entering state, row i the state after token i - 1.
        long[] blockStarts = [.. Enumerable.Range(0, (int)C).Select(i => i / block * block)];
        Tensor before = torch.tensor(blockStarts, device: keys.device);
        Tensor Before(Tensor after, Tensor entering) => cat(new[] { entering, after }, 1).index_select(1, before);
        Tensor none = zeros_like(all.Kept.narrow(1, 0, 1), requires_grad: false);
        Tensor kept = Before(all.Kept, none + 1), momentum = Before(all.Momentum, none);
        Tensor A = Before(all.Writes, none.expand(-1, -1, C)) * theta * keys.bmm(keysT);
        Tensor inverse = UnitLowerInverse.Of(A);

        // U = X - Y W - Z S with everything but the states in one batch.
        Tensor X = inverse.bmm(values), Y = inverse.bmm(keys * kept), Z = inverse.bmm(keys * momentum);
        Tensor P = all.Writes * theta * queries.bmm(keysT);
        Tensor qW = queries * all.Kept, qS = queries * all.Momentum;
        TitansCoefficients last = all.Last(layout);
        Tensor writes = keysT * (last.Writes * theta), momentumWrites = keysT * (last.MomentumWrites * theta);
        Tensor[] Steps(Tensor tensor, long rows, long columns) => tensor.view(N, R, rows, columns).unbind();
        Tensor[] Xs = Steps(X, C, V), Ys = Steps(Y, C, K), Zs = Steps(Z, C, K), Ps = Steps(P, C, C), qWs = Steps(qW, C, K), qSs = Steps(qS, C, K);
        Tensor[] ws = Steps(writes, K, C), ss = Steps(momentumWrites, K, C);
        Tensor[] kepts = Steps(last.Kept, 1, 1), momenta = Steps(last.Momentum, 1, 1), momentaKept = Steps(last.MomentumKept, 1, 1);

        Tensor W = initialState.reshape(R, K, V), S = initialMomentum.reshape(R, K, V);
        var outputs = new Tensor[N];
        for (int n = 0; n < N; n++)
        {
            Tensor U = torch.baddbmm(torch.baddbmm(Xs[n], Ys[n], W, beta: 1, alpha: -1), Zs[n], S, beta: 1, alpha: -1);
            outputs[n] = torch.baddbmm(torch.baddbmm(qWs[n].bmm(W), qSs[n], S), Ps[n], U);
            (W, S) = (torch.baddbmm((W * kepts[n]) + (S * momenta[n]), ws[n], U), torch.baddbmm(S * momentaKept[n], ss[n], U));
        }

        return new TitansRead(layout.Merge(cat(outputs, 0)), W.view(initialState.shape), S.view(initialState.shape));
    }
}
