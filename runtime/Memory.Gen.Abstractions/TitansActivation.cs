namespace Memory.Gen;

/// <summary>Nonlinearity between the layers of a Titans memory.</summary>
public enum TitansActivation
{
    /// <summary>x sigmoid(x).</summary>
    Silu,

    /// <summary>x times the standard normal distribution function of x, by the error function.</summary>
    Gelu,
}
