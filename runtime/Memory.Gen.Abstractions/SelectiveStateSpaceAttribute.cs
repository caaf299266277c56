using System;

namespace Memory.Gen;

/// <summary>
/// A selective state space, the layer of Mamba (Gu and Dao, arXiv 2312.00752, section 3): each of <c>E = Expansion * Dim</c>
/// channels u keeps N states, <c>h_t = e^(delta_t A) h_{t-1} + delta_t u_t B_t</c>, read by <c>C_t . h_t</c>, where the token
/// itself sets the step size delta, the input vector B and the output vector C. State: <c>E * StateDim</c> numbers in
/// float32 or wider and the last inputs of the convolution, whatever the length of the text.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class SelectiveStateSpaceAttribute : MixerAttribute
{
    /// <summary>A selective state space in every layer.</summary>
    public SelectiveStateSpaceAttribute()
    {
    }

    /// <summary>A selective state space in the layers that a letter names.</summary>
    /// <param name="letter">The letter in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    public SelectiveStateSpaceAttribute(char letter)
        : base(letter)
    {
    }

    /// <summary>Channels in multiples of <c>Dim</c>, 1 to 8. Absent: 2, as in the paper.</summary>
    public int Expansion { get; set; }

    /// <summary>N, states of a channel, 1 to 1,024. Absent: 16, as in the paper.</summary>
    public int StateDim { get; set; }

    /// <summary>Width in tokens of the causal depthwise convolution (with bias and SiLU) on the channels, 2 to 256. Absent: 4.</summary>
    public int ConvWidth { get; set; }

    /// <summary>
    /// Rank of the map from channels to their step sizes, 1 to 65,536. Absent: <c>Dim / 16</c>, rounded up, as in the paper.
    /// </summary>
    public int StepRank { get; set; }
}
