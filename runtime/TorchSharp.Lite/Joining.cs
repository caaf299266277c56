using TorchSharp.Native;

namespace TorchSharp;

public static unsafe partial class torch
{
    private const int HandlesOnStack = 64;

    // Handles go to the stack where they are few: joining is what every layer does.
    private static Tensor Cat(ReadOnlySpan<Tensor> tensors, long dim)
    {
        Span<nint> handles = tensors.Length <= HandlesOnStack ? stackalloc nint[HandlesOnStack] : new nint[tensors.Length];
        for (int k = 0; k < tensors.Length; k++)
            handles[k] = tensors[k].Handle;
        Tensor result;
        fixed (nint* p = handles)
            result = Tensor.Made(LibTorch.lt_cat(p, tensors.Length, dim));
        foreach (Tensor each in tensors)
            GC.KeepAlive(each);
        return result;
    }

    private static Tensor Stack(ReadOnlySpan<Tensor> tensors, long dim)
    {
        Span<nint> handles = tensors.Length <= HandlesOnStack ? stackalloc nint[HandlesOnStack] : new nint[tensors.Length];
        for (int k = 0; k < tensors.Length; k++)
            handles[k] = tensors[k].Handle;
        Tensor result;
        fixed (nint* p = handles)
            result = Tensor.Made(LibTorch.lt_stack(p, tensors.Length, dim));
        foreach (Tensor each in tensors)
            GC.KeepAlive(each);
        return result;
    }

    public static Tensor cat(IList<Tensor> tensors, long dim = 0) => Cat(tensors.ToArray(), dim);
    public static Tensor cat(Tensor[] tensors, long dim = 0) => Cat(tensors, dim);
    public static Tensor cat(ReadOnlySpan<Tensor> tensors, long dim = 0) => Cat(tensors, dim);
    public static Tensor concat(IList<Tensor> tensors, long dim = 0) => Cat(tensors.ToArray(), dim);
    public static Tensor concat(Tensor[] tensors, long dim = 0) => Cat(tensors, dim);
    public static Tensor concat(ReadOnlySpan<Tensor> tensors, long dim = 0) => Cat(tensors, dim);
    public static Tensor concatenate(IList<Tensor> tensors, long axis = 0) => Cat(tensors.ToArray(), axis);
    public static Tensor concatenate(Tensor[] tensors, long axis = 0) => Cat(tensors, axis);
    public static Tensor concatenate(ReadOnlySpan<Tensor> tensors, long axis = 0) => Cat(tensors, axis);

    public static Tensor stack(IEnumerable<Tensor> tensors, long dim = 0) => Stack(tensors.ToArray(), dim);

    public static Tensor hstack(IList<Tensor> tensors) => Ops.hstack.Call(tensors.ToArray());
    public static Tensor hstack(params Tensor[] tensors) => Ops.hstack.Call(tensors);
    public static Tensor hstack(IEnumerable<Tensor> tensors) => Ops.hstack.Call(tensors.ToArray());
    public static Tensor hstack(ReadOnlySpan<Tensor> tensors) => Ops.hstack.Call(tensors.ToArray());
    public static Tensor vstack(Tensor[] tensors) => Ops.vstack.Call(tensors);
    public static Tensor vstack(IList<Tensor> tensors) => Ops.vstack.Call(tensors.ToArray());
    public static Tensor vstack(ReadOnlySpan<Tensor> tensors) => Ops.vstack.Call(tensors.ToArray());

    public static Tensor row_stack(IList<Tensor> tensors) => Ops.vstack.Call(tensors.ToArray());
    public static Tensor row_stack(params Tensor[] tensors) => Ops.vstack.Call(tensors);
    public static Tensor row_stack(ReadOnlySpan<Tensor> tensors) => Ops.vstack.Call(tensors.ToArray());
    public static Tensor column_stack(IList<Tensor> tensors) => Ops.column_stack.Call(tensors.ToArray());
    public static Tensor column_stack(params Tensor[] tensors) => Ops.column_stack.Call(tensors);
    public static Tensor column_stack(ReadOnlySpan<Tensor> tensors) => Ops.column_stack.Call(tensors.ToArray());
    public static Tensor dstack(IList<Tensor> tensors) => Ops.dstack.Call(tensors.ToArray());
    public static Tensor dstack(params Tensor[] tensors) => Ops.dstack.Call(tensors);
    public static Tensor dstack(IEnumerable<Tensor> tensors) => Ops.dstack.Call(tensors.ToArray());
    public static Tensor dstack(ReadOnlySpan<Tensor> tensors) => Ops.dstack.Call(tensors.ToArray());
    public static Tensor cartesian_prod(IList<Tensor> tensors) => Ops.cartesian_prod.Call(tensors.ToArray());
    public static Tensor cartesian_prod(params Tensor[] tensors) => Ops.cartesian_prod.Call(tensors);
    public static Tensor cartesian_prod(ReadOnlySpan<Tensor> tensors) => Ops.cartesian_prod.Call(tensors.ToArray());
    public static Tensor combinations(Tensor input, int r = 2, bool with_replacement = false) => Ops.combinations.Call(input, r, with_replacement);

    public static Tensor block_diag(params Tensor[] tensors) => Ops.block_diag.Call(tensors);

    /// <summary>The coordinate grids of some vectors.</summary>
    /// <param name="tensors">Vectors or single numbers.</param>
    /// <param name="indexing">"ij": axes in the order given; "xy": the first two swapped.</param>
    public static Tensor[] meshgrid(IEnumerable<Tensor> tensors, string indexing = "ij") =>
        Ops.meshgrid_indexing.CallList(tensors.ToArray(), indexing);

    public static IList<Tensor> broadcast_tensors(params Tensor[] tensors) => Ops.broadcast_tensors.CallList(tensors);

    public static Tensor einsum(string equation, params Tensor[] tensors)
    {
        nint[] handles = Tensor.HandlesOf(tensors);
        fixed (nint* p = handles)
        fixed (byte* text = System.Text.Encoding.UTF8.GetBytes(equation + "\0"))
            return Tensor.Made(LibTorch.lt_einsum(text, p, handles.Length), tensors);
    }

    public static Tensor searchsorted(Tensor sorted_sequence, Tensor values, bool out_int32 = false, bool right = false, Tensor? sorter = null) =>
        Ops.searchsorted_Tensor.Call(sorted_sequence, values, out_int32, right, (string?)null, sorter);

    public static Tensor searchsorted(Tensor sorted_sequence, Scalar values, bool out_int32, bool right, Tensor sorter) =>
        Ops.searchsorted_Scalar.Call(sorted_sequence, values, out_int32, right, (string?)null, sorter);

    public static Tensor complex(Tensor real, Tensor imag) => Ops.complex.Call(real, imag);
    public static Tensor polar(Tensor abs, Tensor angle) => Ops.polar.Call(abs, angle);
    public static Tensor real(Tensor input) => input.real;
    public static Tensor imag(Tensor input) => input.imag;

    public static Tensor cdist(Tensor x1, Tensor x2, double p = 2, compute_mode compute_mode = compute_mode.use_mm_for_euclid_dist_if_necessary) =>
        Ops.cdist.Call(x1, x2, p, (long)compute_mode);

    private static long[] Axes(long first, long count)
    {
        var axes = new long[count];
        for (int k = 0; k < axes.Length; k++)
            axes[k] = first + k;
        return axes;
    }
}
