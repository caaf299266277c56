using System.Collections.Generic;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>Lines of the forward pass that a matrix memory has alone and in a mixture.</summary>
internal static class LinearMemoryLines
{
    /// <summary>The lines that give each head the queries and keys of its key head; none where it has its own.</summary>
    /// <param name="spec">What was declared.</param>
    /// <param name="tokens">The axes of the tokens.</param>
    /// <param name="features">The axis of their features.</param>
    public static IEnumerable<string> Spread(LinearMemorySpec spec, string tokens, string features)
    {
        if (!spec.SharesKeys)
            yield break;
        yield return $"q = ForHeads(q);  // [{tokens}, H, {features}]";
        yield return spec.IsProduct ? $"k = ForHeads(k).view({tokens}, Householders, Heads, KeyDim);  // [{tokens}, N, H, K]" : $"k = ForHeads(k);  // [{tokens}, H, {features}]";
    }

    /// <summary>The lines that make keys and decays of one gate, under a rule that ties them.</summary>
    /// <param name="projected">The variable that the gate f is made of, which may be f itself.</param>
    /// <param name="tokens">The axes of the tokens.</param>
    public static IEnumerable<string> Tied(string projected, string tokens)
    {
        yield return $"{(projected == "f" ? "" : "Tensor ")}f = {projected}.view({tokens}, Heads, KeyDim);  // [{tokens}, H, K]";
        yield return $"Tensor k = (1.0 - depth) * (-f).sigmoid();  // [{tokens}, H, K], in (0, 1): 1 - alpha";
        yield return $"Tensor g = LogDecay.Sigmoid(f, least: depth);  // [{tokens}, H, K], log decay, <= 0: ln(alpha), alpha = l/L + (1 - l/L) sigmoid(f)";
    }

    /// <summary>The lines that make of a key, under a rule with two, what it removes by and what it writes under.</summary>
    /// <param name="tokens">The axes of the tokens.</param>
    public static IEnumerable<string> TwoKeys(string tokens)
    {
        yield return $"Tensor kappa = UnitLength.Apply(k * removal.view(Heads, KeyDim));  // [{tokens}, H, K], what is removed by";
        yield return $"k = k * (1.0 + (a - 1.0) * replacement.view(Heads, KeyDim));  // [{tokens}, H, K], k': what is written under";
    }

    /// <summary>The line of what that rule adds behind the norm.</summary>
    /// <param name="tokens">The axes of the tokens.</param>
    public static string OwnValue(string tokens) =>
        $"Tensor u = (q * k * bonus.view(Heads, KeyDim)).sum(3, keepdim: true) * v;  // [{tokens}, H, V], the token's own value, without the memory";

    /// <summary>How strongly a token writes, as code with its shape.</summary>
    /// <param name="spec">What was declared.</param>
    /// <param name="projected">The variable that a sigmoid makes it of.</param>
    /// <param name="tokens">The axes of the tokens.</param>
    public static string WriteStrength(LinearMemorySpec spec, string projected, string tokens)
    {
        (string view, string axis) = spec.IsProduct ? ($".view({tokens}, Householders, Heads)", "N, ") : ("", "");
        return $"{(spec.NegativeEigenvalues ? "2.0 * " : "")}{projected}.sigmoid(){view};  // [{tokens}, {axis}H], write strength in (0, {(spec.NegativeEigenvalues ? 2 : 1)})";
    }
}
