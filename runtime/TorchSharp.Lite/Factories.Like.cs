using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor empty_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Tensor.Made(LibTorch.lt_empty_like(input.Handle, new Options(dtype, device, requires_grad)), input);
    public static Tensor zeros_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Tensor.Made(LibTorch.lt_zeros_like(input.Handle, new Options(dtype, device, requires_grad)), input);
    public static Tensor ones_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Tensor.Made(LibTorch.lt_ones_like(input.Handle, new Options(dtype, device, requires_grad)), input);
    public static Tensor rand_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Tensor.Made(LibTorch.lt_rand_like(input.Handle, new Options(dtype, device, requires_grad)), input);
    public static Tensor randn_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Tensor.Made(LibTorch.lt_randn_like(input.Handle, new Options(dtype, device, requires_grad)), input);
    public static Tensor full_like(Tensor input, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Tensor.Made(LibTorch.lt_full_like(input.Handle, value, new Options(dtype, device, requires_grad)), input);
    public static Tensor randint_like(Tensor input, long low, long high, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Tensor.Made(LibTorch.lt_randint_like(input.Handle, low, high, new Options(dtype, device, requires_grad)), input);
}
