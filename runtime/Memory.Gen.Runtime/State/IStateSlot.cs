using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What an operator reads before its call and writes after it: a state tensor, or the part of one that a call's tokens use.</summary>
public interface IStateSlot
{
    /// <summary>What is held now; do not dispose it.</summary>
    Tensor Value { get; }

    /// <summary>Writes the next value; it becomes the state's when the transaction commits.</summary>
    /// <param name="next">Same shape as <see cref="Value"/>. The state takes it over.</param>
    void Update(Tensor next);
}
