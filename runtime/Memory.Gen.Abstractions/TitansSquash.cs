namespace Memory.Gen;

/// <summary>Which side of <c>attention * memory</c> goes through the sigmoid and so becomes the gate of the other.</summary>
public enum TitansSquash
{
    /// <summary>sigmoid(attention) * memory: what is recalled stays linear. It learned on every seed that was tried.</summary>
    Attention,

    /// <summary>attention * sigmoid(memory), as in the paper. It did not learn on every seed that was tried.</summary>
    Memory,
}
