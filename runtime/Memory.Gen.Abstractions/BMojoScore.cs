namespace Memory.Gen;

/// <summary>How unexpected a token was: those with the largest scores are kept in the eidetic slots.</summary>
public enum BMojoScore
{
    /// <summary>
    /// A learned read-out, W and b, predicts the token from what the fading memory gave for the one before:
    /// <c>mean (x_t - W y_{t-1} - b)^2 / mean x_t^2</c>.
    /// </summary>
    ReadoutLinear,

    /// <summary>
    /// What the fading memory recalls for the token's own key before the token is written, against what is written:
    /// <c>1 - cos(v_t, S_{t-1}^T k_t)</c>. Nothing is learned for it.
    /// </summary>
    DeltaResidual,

    /// <summary>The token's size, <c>mean x_t^2</c>: a baseline that predicts nothing.</summary>
    Norm,

    /// <summary>A number that depends on the token's position alone: a baseline that chooses blindly, and the same on every run.</summary>
    Random,

    /// <summary>The newest tokens: a baseline that only makes the window longer.</summary>
    Recency,
}
