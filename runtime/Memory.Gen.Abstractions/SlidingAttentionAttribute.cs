using System;

namespace Memory.Gen;

/// <summary>
/// Causal softmax attention over a window of tokens, or over the whole past (Vaswani et al., Attention Is All You Need,
/// arXiv 1706.03762; windows as in Beltagy et al., Longformer, arXiv 2004.05150). State: the keys and values of the
/// window, in the model's dtype.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class SlidingAttentionAttribute : MixerAttribute
{
    /// <summary>Attention in every layer.</summary>
    public SlidingAttentionAttribute()
    {
    }

    /// <summary>Attention in the layers that a letter names.</summary>
    /// <param name="letter">The letter in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    public SlidingAttentionAttribute(char letter)
        : base(letter)
    {
    }

    /// <summary>Number of query heads, 1 to 4,096; divides <c>Dim</c>. A head has <c>Dim / Heads</c> features. Required.</summary>
    public int Heads { get; set; }

    /// <summary>
    /// Number of key and value heads, each shared by <c>Heads / KeyValueHeads</c> query heads; divides <see cref="Heads"/>
    /// (Ainslie et al., GQA, arXiv 2305.13245). Absent: <see cref="Heads"/>.
    /// </summary>
    public int KeyValueHeads { get; set; }

    /// <summary>
    /// Tokens a query sees, itself included, 1 to 16,777,216. Absent: the whole past, and a state that grows with the text.
    /// </summary>
    public int Window { get; set; }

    /// <summary>
    /// Base of the rotary position embedding (Su et al., RoFormer, arXiv 2104.09864): pair i of a head's K features turns by
    /// <c>RotaryBase^(-2i/K)</c> radians a token. 0: no positions. Absent: 10,000.
    /// </summary>
    public double RotaryBase { get; set; }
}
