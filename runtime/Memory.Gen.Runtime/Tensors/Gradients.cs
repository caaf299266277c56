using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>Where gradients end.</summary>
internal static class Gradients
{
    /// <summary>The same numbers, in some rows cut from what made them.</summary>
    /// <param name="x"><c>[B, ...]</c>.</param>
    /// <param name="rows">Whether to cut, row by row; true for at least one.</param>
    public static Tensor CutRows(this Tensor x, bool[] rows)
    {
        if (!rows.Contains(false)) return x.detach();
        var mask = new long[x.dim()];
        Array.Fill(mask, 1);
        mask[0] = -1;
        return where(tensor(rows, device: x.device).view(mask), x.detach(), x);
    }
}
