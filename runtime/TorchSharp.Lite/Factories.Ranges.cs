using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor arange(Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        arange(0, stop, 1, dtype, device, requires_grad);

    public static Tensor arange(Scalar start, Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        arange(start, stop, 1, dtype, device, requires_grad);

    /// <summary>The numbers from start to stop, stop left out, step apart: int64 where all three are integers.</summary>
    public static Tensor arange(Scalar start, Scalar stop, Scalar step, ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
    {
        bool whole = is_integral(start.Type) && is_integral(stop.Type) && is_integral(step.Type);
        return Tensor.Made(LibTorch.lt_arange(start, stop, step, NewOptions(dtype ?? (whole ? ScalarType.Int64 : default_dtype), device, requires_grad)));
    }

    public static Tensor linspace(double start, double end, long steps, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Tensor.Made(LibTorch.lt_linspace(start, end, steps, NewOptions(dtype, device, requires_grad)));

    public static Tensor logspace(double start, double end, long steps, double @base = 10, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Tensor.Made(LibTorch.lt_logspace(start, end, steps, @base, NewOptions(dtype, device, requires_grad)));

    public static Tensor eye(long rows, long columns = -1, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
    {
        RefuseNames(names);
        return Tensor.Made(LibTorch.lt_eye(rows, columns < 0 ? rows : columns, NewOptions(dtype, device, requires_grad)));
    }

    public static Tensor tril_indices(long row, long col, long offset = 0, ScalarType dtype = ScalarType.Int64, Device? device = null) =>
        Tensor.Made(LibTorch.lt_tri_indices(0, row, col, offset, NewOptions(dtype, device, false)));

    public static Tensor triu_indices(long row, long col, long offset = 0, ScalarType dtype = ScalarType.Int64, Device? device = null) =>
        Tensor.Made(LibTorch.lt_tri_indices(1, row, col, offset, NewOptions(dtype, device, false)));
}
