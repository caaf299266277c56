using System;

namespace Memory.Gen;

/// <summary>
/// Makes a complete language model of a <c>partial class</c>: token embedding, a stack of layers, a final RMS norm and a
/// head. At least one mixer attribute on the same class (<see cref="SlidingAttentionAttribute"/>,
/// <see cref="LinearMemoryAttribute"/>, <see cref="SelectiveStateSpaceAttribute"/>, <see cref="MixtureOfMemoriesAttribute"/>,
/// <see cref="TitansMemoryAttribute"/>, <see cref="BMojoMemoryAttribute"/>) says what its layers remember. A layer is
/// <c>x + mixer(norm(x))</c>, then <c>x + feedForward(norm(x))</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = false)]
public sealed class MemoryModelAttribute : Attribute
{
    /// <summary>Number of different tokens, 1 to 16,777,216. Required.</summary>
    public int VocabSize { get; set; }

    /// <summary>Width of the stream between the layers, in features, 1 to 1,048,576. Required.</summary>
    public int Dim { get; set; }

    /// <summary>
    /// Number of layers, 1 to 4,096. Required without <see cref="Pattern"/>; beside a pattern it is left out, or it
    /// equals the number of letters there.
    /// </summary>
    public int Layers { get; set; }

    /// <summary>
    /// The order of the layers, one letter (A to Z, a to z) a layer, white space ignored: <c>"DDA DDA"</c>. Every letter
    /// names one mixer attribute, and every mixer attribute's letter occurs.
    /// </summary>
    public string? Pattern { get; set; }

    /// <summary>
    /// Hidden width of the SwiGLU feed-forward network of every layer, in features. Absent: 8/3 of <see cref="Dim"/>,
    /// rounded up to a multiple of 32. 0: no feed-forward network. The property of the same name on a mixer attribute
    /// wins for its layers.
    /// </summary>
    public int FeedForward { get; set; }

    /// <summary>Whether the head uses the embedding's weights. Absent: false.</summary>
    public bool TiedEmbeddings { get; set; }
}
