using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The definition of the Titans memories, token by token, with every token's weights in full.</summary>
internal static class TitansLoop
{
    /// <param name="call">In the dtype of W.</param>
    /// <param name="W">The weights <c>[B, H, d, d']</c>; replaced by what they are after the last token.</param>
    /// <param name="S">Their momenta, replaced likewise; empty without momentum.</param>
    /// <returns><c>[B, T, H, V]</c>.</returns>
    public static Tensor Run(TitansCall call, Tensor[] W, Tensor[] S)
    {
        TitansOptions options = call.Options;
        var perceptron = new TitansPerceptron(W.Length, options, call.Residual?.unsqueeze(-2));
        var outputs = new Tensor[call.Q.shape[1]];
        for (int start = 0; start < outputs.Length; start += (int)options.Block)
        {
            // A long text would else hold the weights of each of its tokens.
            using var block = NewDisposeScope();
            Tensor[] started = [.. W], anchors = [.. W], left = start == 0 ? [] : [.. W, .. S], sums = options.Muon is null ? [] : [.. W.Select(w => zeros_like(w, requires_grad: false))];
            int end = (int)Math.Min(start + options.Block, outputs.Length);
            for (int t = start; t < end; t++)
            {
                Tensor Row(Tensor x) => x.select(1, t).unsqueeze(-2);
                Tensor Gate(Tensor x) => x.select(1, t).unsqueeze(-1).unsqueeze(-1);
                Tensor? keep = call.Alpha is null ? null : 1 - Gate(call.Alpha), eta = call.Eta is null ? null : Gate(call.Eta);
                for (int l = 0; l < W.Length && options.DecaysFirst; l++) anchors[l] = TitansMemory.Decayed(keep, anchors[l], call.TargetOf(l));

                (Tensor[] inputs, Tensor[] errors) = perceptron.Gradients(
                    Row(call.K), Row(call.V), (l, x) => x.matmul(anchors[l]), (l, x) => x.matmul(anchors[l].transpose(-1, -2)));
                Tensor step = perceptron.Steps(Gate(call.Theta), inputs, errors);
                for (int l = 0; l < W.Length; l++)
                {
                    Tensor surprise = -step * inputs[l].transpose(-1, -2).matmul(errors[l]);
                    if (options.Muon is not null)
                    {
                        sums[l] = sums[l] + surprise;
                        W[l] = TitansMemory.Decayed(keep, W[l], call.TargetOf(l));
                        continue;
                    }

                    if (eta is not null) S[l] = surprise = (eta * S[l]) + surprise;
                    W[l] = TitansMemory.Decayed(keep, W[l], call.TargetOf(l)) + surprise;
                }

                Tensor[] seen = options.ReadsBlockStart ? started : W;
                outputs[t] = perceptron.Read(Row(call.Q), (l, x) => x.matmul(seen[l])).squeeze(-2).MoveToOuterDisposeScope();
            }

            for (int l = 0; l < W.Length && options.Muon is not null; l++)
            {
                if (S.Length > 0) S[l] = sums[l] = (call.Eta!.narrow(1, start, end - start).mean([1]).unsqueeze(-1).unsqueeze(-1) * S[l]) + sums[l];
                W[l] = TitansMuon.Written(options, started[l], W[l], sums[l]);
            }

            foreach (Tensor kept in W.Concat(S)) kept.MoveToOuterDisposeScope();
            foreach (Tensor passed in left) passed.Dispose();
        }

        return stack(outputs, 1);
    }
}
