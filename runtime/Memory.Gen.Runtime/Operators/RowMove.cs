using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Copies rows of one tensor to other places of another; the gradient goes the same way back.</summary>
internal sealed class RowMove : OperatorFunction<RowMove, RowMove.Move>
{
    /// <summary>Row <c>from[i]</c> of <paramref name="x"/> becomes row <c>to[i]</c>.</summary>
    /// <param name="x"><c>[R, ...]</c>.</param>
    /// <param name="from">Rows, none twice; null for all in order.</param>
    /// <param name="to">Places, none twice; null for all in order.</param>
    /// <param name="places">Rows of the result.</param>
    /// <param name="fill">The numbers of rows that nothing is moved to.</param>
    public static Tensor Run(Tensor x, long[]? from, long[]? to, long places, double fill = 0) => Run(OperatorForms.OfTensors, new Move(from, to, x.shape[0], places, fill), x)[0];

    protected override List<Tensor> Forward(Tensor[] inputs, Move options, List<Tensor>? saved) => [options.Of(inputs[0])];

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Move options) => [options.Back.Of(gradients[0]!)];

    /// <param name="From">Rows that are moved.</param>
    /// <param name="To">Where to.</param>
    /// <param name="Rows">Rows there are.</param>
    /// <param name="Places">Rows of the result.</param>
    /// <param name="Fill">The numbers of the others.</param>
    internal sealed record Move(long[]? From, long[]? To, long Rows, long Places, double Fill)
    {
        public Move Back => new(To, From, Places, Rows, 0);

        public Tensor Of(Tensor x)
        {
            Tensor moved = From is null ? x : x.index_select(0, tensor(From, device: x.device));
            if (To is null) return moved;
            Tensor y = full([Places, .. x.shape[1..]], Fill, dtype: x.dtype, device: x.device);
            return moved.numel() == 0 ? y : y.index_put_(moved, tensor(To, device: x.device));
        }
    }
}
