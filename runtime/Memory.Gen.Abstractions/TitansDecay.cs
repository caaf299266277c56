namespace Memory.Gen;

/// <summary>At which weights a Titans memory takes its gradient.</summary>
public enum TitansDecay
{
    /// <summary>At the weights before they fade, as in Titans: W = (1 - alpha) W + S, S with the gradient at W.</summary>
    AfterGradient,

    /// <summary>At the weights after they have faded, as in the gated delta rule (arXiv 2412.06464).</summary>
    BeforeGradient,
}
