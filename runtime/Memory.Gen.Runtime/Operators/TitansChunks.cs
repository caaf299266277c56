using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The Titans memories block by block, of any depth and with every option.</summary>
/// <remarks>
/// No token's weights are ever made: what a token sees of a layer is mixed from the entering weights, their momentum and the
/// writes of the block by <see cref="TitansCoefficients"/>, and a write is an outer product that stays in its two factors.
/// </remarks>
internal static class TitansChunks
{
    /// <inheritdoc cref="TitansLoop.Run"/>
    public static Tensor Run(TitansCall call, Tensor[] W, Tensor[] S)
    {
        TitansOptions options = call.Options;
        ChunkLayout layout = ChunkLayout.Of(call.Q, options.Block);
        Tensor theta = layout.SplitMatrices(call.Theta);
        Tensor? Gates(Tensor? x) => x is null ? null : layout.SplitMatrices(x);
        TitansCoefficients all = TitansCoefficients.Of(Gates(call.Eta), Gates(call.Alpha), theta);
        TitansCoefficients last = options.Muon is null ? all.Last(layout, call.Lengths) : all.Blocks(layout, call.Lengths, Gates(call.Eta));

        Tensor[] Steps(Tensor x) => x.reshape(layout.N, layout.R, x.shape[1], -1).unbind();
        Tensor?[] StepsOf(Tensor? x) => x is null ? new Tensor?[layout.N] : Steps(x);
        Tensor[] queries = Steps(layout.SplitMatrices(call.Q)), keys = Steps(layout.SplitMatrices(call.K)), values = Steps(layout.SplitMatrices(call.V));
        Tensor[] thetas = Steps(theta.unsqueeze(2)), mixing = Steps(all.Writes), lastWrites = Steps(last.Writes.transpose(1, 2));
        Tensor?[] kept = StepsOf(all.Kept), momentum = StepsOf(all.Momentum), lastKept = StepsOf(last.Kept), lastMomentum = StepsOf(last.Momentum);
        Tensor?[] lastMomentumKept = StepsOf(last.MomentumKept), lastMomentumWrites = StepsOf(last.MomentumWrites?.transpose(1, 2));

        Tensor Chains(Tensor x) => x.flatten(0, 1);
        Tensor[]? target = call.Target is null ? null : [.. call.Target.Select(Chains)];
        long[][] shapes = [.. W.Select(w => w.shape)];
        for (int l = 0; l < W.Length; l++) W[l] = Chains(W[l]);
        for (int l = 0; l < S.Length; l++) S[l] = Chains(S[l]);
        Tensor? gamma = call.Residual is null ? null : Chains(call.Residual.expand(layout.B, -1, -1)).unsqueeze(1);
        var perceptron = new TitansPerceptron(W.Length, options, gamma);

        var outputs = new Tensor[layout.N];
        for (int n = 0; n < layout.N; n++)
        {
            bool ends = n < layout.N - 1 || call.Ends;
            if (options.ReadsBlockStart)
            {
                outputs[n] = perceptron.Read(queries[n], (l, x) => x.bmm(W[l]));
                if (!ends) break;
            }

            Tensor? anchored = options.DecaysFirst ? kept[n] : null;
            (Tensor[] inputs, Tensor[] errors) = perceptron.Gradients(
                keys[n], values[n],
                (l, x) => Product(x, W[l], anchored, target?[l]),
                (l, x) => Product(x, W[l].transpose(1, 2), anchored, target?[l].transpose(1, 2)));
            Tensor steps = perceptron.Steps(thetas[n], inputs, errors);
            Tensor[] inputsT = [.. inputs.Select(x => x.transpose(1, 2))], writes = [.. errors.Select(x => x * steps)];

            if (!options.ReadsBlockStart) outputs[n] = perceptron.Read(queries[n], (l, x) =>
            {
                Tensor seen = Product(x, W[l], kept[n], target?[l]) - (mixing[n] * x.bmm(inputsT[l])).bmm(writes[l]);
                return momentum[n] is { } share ? seen + (share * x.bmm(S[l])) : seen;
            });

            if (!ends) break;
            for (int l = 0; l < W.Length; l++)
            {
                Tensor entering = TitansMemory.Decayed(lastKept[n], W[l], target?[l]);
                if (options.Muon is not null)
                {
                    Tensor sum = -inputsT[l].bmm(lastWrites[n] * writes[l]), carried = S.Length > 0 ? (lastMomentumKept[n]! * S[l]) + sum : sum;
                    Tensor written = TitansMuon.Written(options, W[l], entering, carried);

                    // A row that has ended keeps what it has: even a momentum of old would be written in full.
                    W[l] = call.Lengths is null ? written : where(lastWrites[n].narrow(1, 0, 1).gt(0), written, W[l]);
                    if (S.Length > 0) S[l] = carried;
                    continue;
                }

                if (lastMomentum[n] is { } share) entering = entering + (share * S[l]);
                W[l] = entering - inputsT[l].bmm(lastWrites[n] * writes[l]);
                if (S.Length > 0) S[l] = (lastMomentumKept[n]! * S[l]) - inputsT[l].bmm(lastMomentumWrites[n]! * writes[l]);
            }
        }

        for (int l = 0; l < W.Length; l++) W[l] = W[l].view(shapes[l]);
        for (int l = 0; l < S.Length; l++) S[l] = S[l].view(shapes[l]);
        return layout.Merge(cat(outputs, 0));
    }

    // Rows times a matrix of which each row sees its own share, the rest having gone to the target.
    private static Tensor Product(Tensor x, Tensor matrix, Tensor? kept, Tensor? target) =>
        TitansMemory.Decayed(kept, x.bmm(matrix), kept is null || target is null ? null : x.bmm(target));
}
