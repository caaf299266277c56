using System;

namespace Memory.Gen;

/// <summary>
/// Makes one memory layer of a <c>partial class</c>, for a model written by hand: the mixer alone with its projections,
/// features <c>[B, T, Dim]</c> in and out, without norm, residual and feed-forward network around it. Exactly one mixer
/// attribute, without a letter, on the same class.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = false)]
public sealed class MemoryLayerAttribute : Attribute
{
    /// <summary>Width of the features that come in and go out, 1 to 1,048,576. Required.</summary>
    public int Dim { get; set; }
}
