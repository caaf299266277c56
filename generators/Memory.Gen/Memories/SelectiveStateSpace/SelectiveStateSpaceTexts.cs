using System.Collections.Generic;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.SelectiveStateSpace;

/// <summary>Words and equations of a selective state space.</summary>
internal static class SelectiveStateSpaceTexts
{
    public const string Source = "Gu, Dao: Mamba (arXiv 2312.00752), section 3.";

    public static readonly IReadOnlyList<string> Equations =
    [
        "h_t = e^{delta_t A} h_{t-1} + delta_t u_t B_t,   A = -e^a   in each channel of u",
        "o_t = C_t . h_t + skip u_t",
        "u_t = SiLU(conv(W_u x_t) + b_u)",
        "B_t, C_t = W_B u_t, W_C u_t,   delta_t = softplus(W_2 W_1 u_t + b_delta)",
        "y_t = W_O (o_t * SiLU(W_G x_t))",
    ];

    public static string Phrase(SelectiveStateSpaceSpec spec, long channels) =>
        "a selective state space, " + Prose.Count(channels, "channel") + " of " + Prose.Count(spec.StateDim, "state")
        + ", step sizes of rank " + Prose.Count(spec.StepRank) + ", convolution over " + Prose.Count(spec.ConvWidth, "token");
}
