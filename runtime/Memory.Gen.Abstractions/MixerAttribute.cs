using System;

namespace Memory.Gen;

/// <summary>What every mixer attribute has: the letter that stands for it in a pattern, and its layers' feed-forward width.</summary>
public abstract class MixerAttribute : Attribute
{
    /// <summary>A mixer of all layers, for a model without a pattern.</summary>
    protected MixerAttribute()
    {
    }

    /// <summary>A mixer of the layers that a letter names.</summary>
    /// <param name="letter">A to Z or a to z, as in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    protected MixerAttribute(char letter) => Letter = letter;

    /// <summary>The letter of this mixer in <see cref="MemoryModelAttribute.Pattern"/>; <c>'\0'</c> without one.</summary>
    public char Letter { get; }

    /// <summary>
    /// Hidden width of the feed-forward network in the layers of this mixer, in features; 0 for none. Absent: that of
    /// <see cref="MemoryModelAttribute.FeedForward"/>. Not for a <see cref="MemoryLayerAttribute"/>, which has none.
    /// </summary>
    public int FeedForward { get; set; }
}
