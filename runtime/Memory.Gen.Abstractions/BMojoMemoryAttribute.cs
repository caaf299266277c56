using System;

namespace Memory.Gen;

/// <summary>
/// B'MOJO (Zancato et al., B'MOJO: Hybrid State Space Realizations of Foundation Models with Eidetic and Fading Memory, arXiv
/// 2407.06324): three memories that one softmax reads. A window of the last tokens, exact; fading tokens, what a state space
/// model made of everything up to the window; and eidetic slots, older tokens that this model did not expect, exact again.
/// State: the recurrence's in float32 or wider, keys and values of window, fading tokens and slots, whatever the length of
/// the text. Which choices are the paper's and which are ours: docs/architectures/bmojo.md.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class BMojoMemoryAttribute : MixerAttribute
{
    /// <summary>B'MOJO in every layer.</summary>
    public BMojoMemoryAttribute()
    {
    }

    /// <summary>B'MOJO in the layers that a letter names.</summary>
    /// <param name="letter">The letter in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    public BMojoMemoryAttribute(char letter)
        : base(letter)
    {
    }

    /// <summary>
    /// Number of query heads, 1 to 4,096; divides <c>Dim</c>. A head has <c>Dim / Heads</c> features, 16,384 at most. Also the
    /// heads of a fading memory that has heads. Required.
    /// </summary>
    public int Heads { get; set; }

    /// <summary>
    /// Number of key and value heads, each shared by <c>Heads / KeyValueHeads</c> query heads; divides <see cref="Heads"/>.
    /// Absent: <see cref="Heads"/>.
    /// </summary>
    public int KeyValueHeads { get; set; }

    /// <summary>
    /// Tokens of the window, w, itself included, 1 to 16,777,216; 0 for a layer that only reads fading tokens. Required.
    /// </summary>
    public int Window { get; set; }

    /// <summary>
    /// How the window moves. Absent: <see cref="BMojoWindow.Blocked"/> with eidetic slots, <see cref="BMojoWindow.Sliding"/> without.
    /// </summary>
    public BMojoWindow WindowMode { get; set; }

    /// <summary>Older tokens that are kept exactly, 0 to 65,536; 0 for none. Absent: 0.</summary>
    public int EideticTokens { get; set; }

    /// <summary>Outputs of the fading memory that a token reads, 0 to 16,777,216; 0 for none. Absent: 0.</summary>
    public int FadingTokens { get; set; }

    /// <summary>
    /// Tokens from one fading token to the next, 1 to 65,536; from the first of them to the last there are 16,777,216 at most. Absent: 1.
    /// </summary>
    public int FadingStride { get; set; }

    /// <summary>
    /// How many tokens before the one that reads the newest fading token is, 0 to 16,777,216; only with a sliding window.
    /// Absent: the last token before the window.
    /// </summary>
    public int FadingOffset { get; set; }

    /// <summary>
    /// The recurrence behind fading tokens and predictions. Absent: <see cref="FadingState.SelectiveScan"/> with fading tokens,
    /// else <see cref="FadingState.None"/>.
    /// </summary>
    public FadingState Fading { get; set; }

    /// <summary>
    /// Whether fading tokens go through the window's own projections to keys and values; false: they have their own. Absent:
    /// true.
    /// </summary>
    public bool TiedProjections { get; set; }

    /// <summary>
    /// Tokens between two choices of the eidetic slots, R, 1 to 16,777,216; a blocked window refreshes where a chunk begins, so
    /// there it is <see cref="Window"/>. Absent: <see cref="Window"/>.
    /// </summary>
    public int RefreshTokens { get; set; }

    /// <summary>
    /// What makes a token worth a slot. Absent: <see cref="BMojoScore.ReadoutLinear"/>, which like
    /// <see cref="BMojoScore.DeltaResidual"/> needs <see cref="FadingTokens"/>: what is read of the recurrence is what trains it.
    /// </summary>
    public BMojoScore Score { get; set; }

    /// <summary>
    /// Factor on the loss that trains the prediction of <see cref="BMojoScore.ReadoutLinear"/>, 0 to 1,000: the mean square of
    /// <c>x_t - W y_{t-1} - b</c>, whose gradient reaches W and b alone. A training loop adds it with <c>AuxiliaryLoss</c> of the
    /// state that Prefill read with; a forward without a state has no place for it. 0: none, and W and b stay as they were drawn.
    /// Absent: 0.1.
    /// </summary>
    public double PredictionLoss { get; set; }

    /// <summary>The least score that is kept, -1e9 to 1e9. Absent: there is no such bound.</summary>
    public double Threshold { get; set; }

    /// <summary>
    /// Factor on the scores in the slots at every refresh, 1e-6 to 1: below 1 even what was unexpected is let go some day.
    /// Absent: 1.
    /// </summary>
    public double ScoreDecay { get; set; }

    /// <summary>What leaves the slots when they are full. Absent: <see cref="BMojoEviction.TopScore"/>.</summary>
    public BMojoEviction Eviction { get; set; }

    /// <summary>Where the keys of slots stand. Absent: <see cref="BMojoPositions.Compact"/>.</summary>
    public BMojoPositions Positions { get; set; }

    /// <summary>
    /// Whether each head of queries and keys goes through an RMS norm before it turns to its position, fading keys too. Absent:
    /// false.
    /// </summary>
    public bool QueryKeyNorm { get; set; }

    /// <summary>
    /// Base of the rotary position embedding (Su et al., RoFormer, arXiv 2104.09864): pair i of a head's K features turns by
    /// <c>RotaryBase^(-2i/K)</c> radians a token. 0: no positions. Absent: 10,000.
    /// </summary>
    public double RotaryBase { get; set; }
}
