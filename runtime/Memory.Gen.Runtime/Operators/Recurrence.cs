using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The token loop of every matrix memory: decay, write, read.</summary>
internal static class Recurrence
{
    /// <summary>r = S^T a, where there is an a;  S = e^g S;  S += b r^T;  u = v, or beta (v - S^T k) where there is a beta;  S += k u^T;  o = S^T (scale q).</summary>
    /// <param name="x">The tokens, in the dtype of the state.</param>
    /// <param name="state"><c>[B, H, K, V]</c>.</param>
    /// <param name="scale">Factor on the queries.</param>
    public static MemoryRead Run(MatrixTokens x, Tensor state, double scale)
    {
        long B = x.Q.shape[0], T = x.Q.shape[1], H = x.Q.shape[2], K = x.Q.shape[3], V = x.V.shape[3];
        Tensor S = state.reshape(B * H, K, V);
        Tensor[] queries = (x.Q * scale).unbind(1), keys = x.K.unbind(1), values = x.V.unbind(1);
        Tensor[]? strengths = x.Beta?.unbind(1), decays = x.LogDecay?.exp().unbind(1), a = x.A?.unbind(1), b = x.B?.unbind(1);
        var outputs = new Tensor[T];
        for (int t = 0; t < T; t++)
        {
            // A long text would else hold a state for each of its tokens.
            using var step = NewDisposeScope();
            Tensor previous = S;
            if (decays is not null) S = S * decays[t].reshape(B * H, -1, 1);
            if (a is not null) S = Products.Add(S, b![t].reshape(B * H, K, 1), a[t].reshape(B * H, 1, K).bmm(previous));
            Tensor key = keys[t].reshape(B * H, 1, K), u = values[t].reshape(B * H, 1, V);
            if (strengths is not null) u = Products.Add(u, key, S, alpha: -1) * strengths[t].reshape(B * H, 1, 1);
            S = Products.Add(S, key.transpose(1, 2), u).MoveToOuterDisposeScope();
            outputs[t] = queries[t].reshape(B * H, 1, K).bmm(S).view(B, 1, H, V).MoveToOuterDisposeScope();
            previous.Dispose();
        }

        return new MemoryRead(T == 1 ? outputs[0] : cat(outputs, 1), S.view(B, H, K, V));
    }
}
