namespace Memory.Gen.Runtime;

/// <summary>How tokens are chosen.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to make; 0 only reads the prompt.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>0 takes the likeliest token; 1 draws from the model's own distribution; more is more varied.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Draws from the likeliest tokens that together have this probability; in (0, 1], 1 is all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Draws from this many likeliest tokens; 0 is all.</summary>
    public int TopK { get; init; }

    /// <summary>The same seed makes the same text on the same machine.</summary>
    public long Seed { get; init; }

    /// <summary>Tokens that end the text; they are neither returned nor read into the state.</summary>
    public IReadOnlyCollection<long> StopTokens { get; init; } = [];

    internal void Check()
    {
        ArgumentNullException.ThrowIfNull(StopTokens);
        Require(MaxTokens >= 0, nameof(MaxTokens), MaxTokens, "must be 0 or more");
        Require(Temperature >= 0 && double.IsFinite(Temperature), nameof(Temperature), Temperature, "must be 0 or more; 0.8 is usual");
        Require(TopP > 0 && TopP <= 1, nameof(TopP), TopP, "must be above 0 and at most 1; 0.95 is usual");
        Require(TopK >= 0, nameof(TopK), TopK, "must be 0 (all) or more; 40 is usual");
    }

    private static void Require(bool condition, string name, double value, string rule)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, FormattableString.Invariant($"{name} is {value}; it {rule}."));
    }
}
