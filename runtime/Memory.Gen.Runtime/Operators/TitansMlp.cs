using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What a deep Titans memory returns.</summary>
/// <param name="Output">What every token read, <c>[B, T, H, V]</c>.</param>
/// <param name="FinalWeights">The memory's matrices after the last token, first layer first.</param>
/// <param name="FinalMomenta">Their momenta.</param>
public readonly record struct TitansMlpRead(Tensor Output, IReadOnlyList<Tensor> FinalWeights, IReadOnlyList<Tensor> FinalMomenta);

/// <summary>
/// A perceptron that learns while it reads: f(x) = W_L^T silu(... silu(W_1^T x)); G is the gradient of 1/2 |f(k) - v|^2 at the
/// weights its block started with; S = eta S - theta G, W = (1 - alpha) W + S; read o = f(q) after the token's own write.
/// </summary>
/// <remarks>Behrouz, Zhong, Mirrokni: Titans (arXiv 2501.00663), section 3. Any depth from one layer on.</remarks>
public static class TitansMlp
{
    private const string Name = "titans_mlp";

    /// <summary>Reads a whole sequence, or continues one; a call begins a block.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="theta">Step size <c>[B, T, H]</c>, positive.</param>
    /// <param name="eta">Momentum factor <c>[B, T, H]</c>, 0 to 1.</param>
    /// <param name="alpha">Forgetting <c>[B, T, H]</c>, 0 to 1.</param>
    /// <param name="weights">The entering matrices, <c>[B, H, K, E]</c> ... <c>[B, H, E, V]</c>, float32 or wider, one a layer.</param>
    /// <param name="block">Tokens whose gradients are taken at the same weights; part of the model, not of the computation.</param>
    /// <param name="momenta">The entering momenta, shaped like the weights; null for zeros.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static TitansMlpRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor theta, Tensor eta, Tensor alpha, IReadOnlyList<Tensor> weights, int block,
        IReadOnlyList<Tensor>? momenta = null, OperatorForm? form = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        door.Gate(nameof(theta), theta, "BTH");
        door.Gate(nameof(eta), eta, "BTH");
        door.Gate(nameof(alpha), alpha, "BTH");
        CheckLayers(door, weights, momenta);
        door.Positive(nameof(block), block);
        var kernel = new TitansKernel.Options(block, weights.Count);
        OperatorForm chosen = OperatorForms.Choose(
            Name, form, () => TitansKernel.Refusal(door, kernel, [door['K'], .. weights.Select(each => each.shape[3])]));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native)
        {
            List<Tensor> outputs = TitansKernel.Run(
                kernel, [q, k, v, theta, eta, alpha, .. weights, .. momenta ?? Enumerable.Repeat<Tensor?>(null, weights.Count)]);
            foreach (Tensor each in outputs) each.MoveToOuterDisposeScope();
            return new TitansMlpRead(outputs[0], outputs[1..(1 + weights.Count)], outputs[(1 + weights.Count)..]);
        }

        long B = door['B'], T = door['T'], H = door['H'], V = door['V'];
        Tensor[] x = [.. new[] { q, k, v, theta, eta, alpha }.Select(each => each.to(door.Accumulation))];
        Tensor[] W = [.. weights], S = momenta is null ? [.. W.Select(w => zeros_like(w, requires_grad: false))] : [.. momenta];
        Tensor output;
        if (B * T * H * V == 0)
        {
            output = zeros([B, T, H, V], dtype: door.Accumulation, device: door.Device);
            (W, S) = ([.. W.Select(w => w.clone())], [.. S.Select(s => s.clone())]);
        }
        else
        {
            output = chosen == OperatorForm.Reference || T == 1 ? Loop(x, W, S, block) : Blocks(x, W, S, block);
        }

        return new TitansMlpRead(
            output.to(door.Dtype).MoveToOuterDisposeScope(),
            [.. W.Select(w => w.MoveToOuterDisposeScope())], [.. S.Select(s => s.MoveToOuterDisposeScope())]);
    }

    private static void CheckLayers(FrontDoor door, IReadOnlyList<Tensor> weights, IReadOnlyList<Tensor>? momenta)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (weights.Count == 0) throw new ArgumentException($"{Name}: weights has no matrices; expected one a layer.", nameof(weights));
        if (momenta is not null && momenta.Count != weights.Count)
        {
            throw new ArgumentException($"{Name}: momenta has {momenta.Count} matrices; expected {weights.Count}, one a weight.", nameof(momenta));
        }

        long entering = door['K'];
        for (int l = 0; l < weights.Count; l++)
        {
            door.Bind('I', entering, l == 0 ? "q" : $"weights[{l - 1}]");
            door.Bind('O', l == weights.Count - 1 ? door['V'] : -1, "v");
            door.State($"weights[{l}]", weights[l], "BHIO");
            if (momenta is not null) door.State($"momenta[{l}]", momenta[l], "BHIO");
            entering = door['O'];
        }
    }

    // W and S are replaced by what they are after the last token.
    private static Tensor Loop(Tensor[] x, Tensor[] W, Tensor[] S, long block)
    {
        var outputs = new Tensor[x[0].shape[1]];
        Tensor[] started = [.. W];
        for (int t = 0; t < outputs.Length; t++)
        {
            if (t % block == 0) started = [.. W];
            Tensor At(int input) => x[input].select(1, t).unsqueeze(-2);
            Tensor Gate(int input) => x[input].select(1, t).unsqueeze(-1).unsqueeze(-1);
            (Tensor[] inputs, Tensor[] errors) = Gradients(At(1), At(2), started);
            Tensor read = At(0);
            for (int l = 0; l < W.Length; l++)
            {
                S[l] = (Gate(4) * S[l]) - (Gate(3) * inputs[l].transpose(-1, -2).matmul(errors[l]));
                W[l] = ((1 - Gate(5)) * W[l]) + S[l];
                read = (l == 0 ? read : read.silu()).matmul(W[l]);
            }

            outputs[t] = read.squeeze(-2);
        }

        return stack(outputs, 1);
    }

    /// <summary>Layer inputs A and errors D with which the gradient of layer l is A_l^T D_l, rows being tokens.</summary>
    private static (Tensor[] Inputs, Tensor[] Errors) Gradients(Tensor k, Tensor v, Tensor[] W)
    {
        Tensor[] before = new Tensor[W.Length], inputs = new Tensor[W.Length], errors = new Tensor[W.Length];
        Tensor x = k;
        for (int l = 0; l < W.Length; l++)
        {
            inputs[l] = x;
            before[l] = x.matmul(W[l]);
            x = before[l].silu();
        }

        errors[^1] = before[^1] - v;
        for (int l = W.Length - 2; l >= 0; l--)
        {
            Tensor s = before[l].sigmoid();
            errors[l] = errors[l + 1].matmul(W[l + 1].transpose(-1, -2)) * (s * (1 + (before[l] * (1 - s))));
        }

        return (inputs, errors);
    }

    // No token's weights are ever made: reading mixes the entering weights, the momentum and the writes by the coefficients.
    private static Tensor Blocks(Tensor[] x, Tensor[] W, Tensor[] S, long block)
    {
        ChunkLayout layout = ChunkLayout.Of(x[0], block);
        (long N, long R, long C) = (layout.N, layout.R, layout.C);
        Tensor[] y = [.. x.Select(layout.SplitMatrices)];
        TitansCoefficients all = TitansCoefficients.Of(y[4], y[5]), last = all.Last(layout);
        Tensor[] Steps(Tensor tensor) => tensor.reshape(N, R, tensor.shape[1], -1).unbind();
        Tensor[] queries = Steps(y[0]), keys = Steps(y[1]), values = Steps(y[2]), theta = Steps(y[3].unsqueeze(2));
        Tensor[] kept = Steps(all.Kept), momentum = Steps(all.Momentum), mixing = Steps(all.Writes);
        Tensor[] lastKept = Steps(last.Kept), lastMomentum = Steps(last.Momentum), lastMomentumKept = Steps(last.MomentumKept);
        Tensor[] lastWrites = Steps(last.Writes.transpose(1, 2)), lastMomentumWrites = Steps(last.MomentumWrites.transpose(1, 2));
        long[][] shapes = [.. W.Select(w => w.shape)];
        for (int l = 0; l < W.Length; l++) (W[l], S[l]) = (W[l].flatten(0, 1), S[l].flatten(0, 1));

        var outputs = new Tensor[N];
        for (int n = 0; n < N; n++)
        {
            (Tensor[] inputs, Tensor[] errors) = Gradients(keys[n], values[n], W);
            Tensor read = queries[n];
            for (int l = 0; l < W.Length; l++)
            {
                if (l > 0) read = read.silu();
                Tensor writes = errors[l] * theta[n], inputsT = inputs[l].transpose(1, 2);
                Tensor fromWrites = (mixing[n] * read.bmm(inputsT)).bmm(writes);
                Tensor next = (kept[n] * read.bmm(W[l])) + (momentum[n] * read.bmm(S[l])) - fromWrites;
                Tensor entering = (lastKept[n] * W[l]) + (lastMomentum[n] * S[l]);
                W[l] = torch.baddbmm(entering, inputsT, lastWrites[n] * writes, beta: 1, alpha: -1);
                S[l] = torch.baddbmm(lastMomentumKept[n] * S[l], inputsT, lastMomentumWrites[n] * writes, beta: 1, alpha: -1);
                read = next;
            }

            outputs[n] = read;
        }

        for (int l = 0; l < W.Length; l++) (W[l], S[l]) = (W[l].view(shapes[l]), S[l].view(shapes[l]));
        return layout.Merge(cat(outputs, 0));
    }
}
