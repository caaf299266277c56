namespace Memory.Gen.Generators.Specs;

/// <summary>A mixer with its defaults filled in, so that equal architectures are equal specs.</summary>
/// <param name="Letter">Its letter in the pattern; <c>'\0'</c> without one.</param>
/// <param name="FeedForward">Its own feed-forward width; null where the model's holds.</param>
public abstract record MixerSpec(char Letter, int? FeedForward)
{
    /// <summary>Everything that decides its parameters, numbers and state, in one line that never changes its form.</summary>
    public abstract string Canonical { get; }

    /// <summary>Rows of the windows that the text it reads is cut into; 0 where it reads all of it.</summary>
    internal int Rows { get; init; }

    /// <summary>The same mixer where the text it reads is cut into windows of so many tokens.</summary>
    internal virtual MixerSpec Within(int window) => this with { Rows = System.Math.Max(0, window) };

    /// <summary>
    /// How many of its slots a text of so many tokens can fill, and the fewest tokens that fill all; null where there are none to fill.
    /// </summary>
    internal virtual (long Filled, long Needed)? SlotsWithin(int tokens) => null;
}
