using Memory.Gen.Runtime.Operators;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>The part of a state tensor <c>[B, M, ...]</c> that routed tokens read and write, one row for every segment.</summary>
internal sealed class RoutedSlot(StateTensor tensor, Routing route) : IStateSlot
{
    public Tensor Value => route.StatesOf(tensor.Value);

    public void Update(Tensor next)
    {
        if (route.Slots is { } slots)
            tensor.UpdateRows(slots, next);
        else
            tensor.Update(route.Spread(next));
    }
}
