using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The token loop of every matrix memory: decay, write, read.</summary>
internal static class Recurrence
{
    /// <summary>S = e^g S;  u = v, or beta (v - S^T k) where there is a beta;  S += k u^T;  o = S^T (scale q).</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="beta">Write strength <c>[B, T, H]</c> of the delta rule; null adds <c>k v^T</c>.</param>
    /// <param name="logDecay"><c>[B, T, H]</c> or <c>[B, T, H, K]</c>; null keeps everything.</param>
    /// <param name="state"><c>[B, H, K, V]</c>.</param>
    /// <param name="scale">Factor on the queries.</param>
    public static MemoryRead Run(Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, Tensor state, double scale)
    {
        long B = q.shape[0], T = q.shape[1], H = q.shape[2], K = q.shape[3], V = v.shape[3];
        Tensor S = state.reshape(B * H, K, V);
        Tensor[] queries = (q * scale).unbind(1), keys = k.unbind(1), values = v.unbind(1);
        Tensor[]? strengths = beta?.unbind(1), decays = logDecay?.exp().unbind(1);
        var outputs = new Tensor[T];
        for (int t = 0; t < T; t++)
        {
            // A long text would else hold a state for each of its tokens.
            using var step = NewDisposeScope();
            Tensor previous = S;
            if (decays is not null) S = S * decays[t].reshape(B * H, -1, 1);
            Tensor key = keys[t].reshape(B * H, 1, K), u = values[t].reshape(B * H, 1, V);
            if (strengths is not null) u = Products.Add(u, key, S, alpha: -1) * strengths[t].reshape(B * H, 1, 1);
            S = Products.Add(S, key.transpose(1, 2), u).MoveToOuterDisposeScope();
            outputs[t] = queries[t].reshape(B * H, 1, K).bmm(S).view(B, 1, H, V).MoveToOuterDisposeScope();
            previous.Dispose();
        }

        return new MemoryRead(T == 1 ? outputs[0] : cat(outputs, 1), S.view(B, H, K, V));
    }
}
