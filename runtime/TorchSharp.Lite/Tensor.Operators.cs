using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public static Tensor operator +(Tensor left, Tensor right) => left.add(right);
        public static Tensor operator +(Tensor left, Scalar right) => left.add(right);
        public static Tensor operator +(Tensor left, int right) => Made(LibTorch.lt_add_scalar(left.Handle, (long)right, Number.One), left);
        public static Tensor operator +(Tensor left, long right) => Made(LibTorch.lt_add_scalar(left.Handle, right, Number.One), left);
        public static Tensor operator +(Tensor left, float right) => Made(LibTorch.lt_add_scalar(left.Handle, (double)right, Number.One), left);
        public static Tensor operator +(Tensor left, double right) => Made(LibTorch.lt_add_scalar(left.Handle, right, Number.One), left);
        public static Tensor operator +(Scalar left, Tensor right) => right.add(left);
        public static Tensor operator +(int left, Tensor right) => Made(LibTorch.lt_add_scalar(right.Handle, (long)left, Number.One), right);
        public static Tensor operator +(long left, Tensor right) => Made(LibTorch.lt_add_scalar(right.Handle, left, Number.One), right);
        public static Tensor operator +(float left, Tensor right) => Made(LibTorch.lt_add_scalar(right.Handle, (double)left, Number.One), right);
        public static Tensor operator +(double left, Tensor right) => Made(LibTorch.lt_add_scalar(right.Handle, left, Number.One), right);

        public static Tensor operator -(Tensor left, Tensor right) => left.sub(right);
        public static Tensor operator -(Tensor left, Scalar right) => left.sub(right);
        public static Tensor operator -(Tensor left, int right) => Made(LibTorch.lt_sub_scalar(left.Handle, (long)right, Number.One), left);
        public static Tensor operator -(Tensor left, long right) => Made(LibTorch.lt_sub_scalar(left.Handle, right, Number.One), left);
        public static Tensor operator -(Tensor left, float right) => Made(LibTorch.lt_sub_scalar(left.Handle, (double)right, Number.One), left);
        public static Tensor operator -(Tensor left, double right) => Made(LibTorch.lt_sub_scalar(left.Handle, right, Number.One), left);
        public static Tensor operator -(Scalar left, Tensor right) => Made(LibTorch.lt_rsub_scalar(right.Handle, left), right);
        public static Tensor operator -(int left, Tensor right) => Made(LibTorch.lt_rsub_scalar(right.Handle, (long)left), right);
        public static Tensor operator -(long left, Tensor right) => Made(LibTorch.lt_rsub_scalar(right.Handle, left), right);
        public static Tensor operator -(float left, Tensor right) => Made(LibTorch.lt_rsub_scalar(right.Handle, (double)left), right);
        public static Tensor operator -(double left, Tensor right) => Made(LibTorch.lt_rsub_scalar(right.Handle, left), right);

        public static Tensor operator *(Tensor left, Tensor right) => left.mul(right);
        public static Tensor operator *(Tensor left, Scalar right) => left.mul(right);
        public static Tensor operator *(Tensor left, int right) => Made(LibTorch.lt_mul_scalar(left.Handle, (long)right), left);
        public static Tensor operator *(Tensor left, long right) => Made(LibTorch.lt_mul_scalar(left.Handle, right), left);
        public static Tensor operator *(Tensor left, float right) => Made(LibTorch.lt_mul_scalar(left.Handle, (double)right), left);
        public static Tensor operator *(Tensor left, double right) => Made(LibTorch.lt_mul_scalar(left.Handle, right), left);
        public static Tensor operator *(Scalar left, Tensor right) => right.mul(left);
        public static Tensor operator *(int left, Tensor right) => Made(LibTorch.lt_mul_scalar(right.Handle, (long)left), right);
        public static Tensor operator *(long left, Tensor right) => Made(LibTorch.lt_mul_scalar(right.Handle, left), right);
        public static Tensor operator *(float left, Tensor right) => Made(LibTorch.lt_mul_scalar(right.Handle, (double)left), right);
        public static Tensor operator *(double left, Tensor right) => Made(LibTorch.lt_mul_scalar(right.Handle, left), right);

        public static Tensor operator /(Tensor left, Tensor right) => left.div(right);
        public static Tensor operator /(Tensor left, Scalar right) => left.div(right);
        public static Tensor operator /(Tensor left, int right) => Made(LibTorch.lt_div_scalar(left.Handle, (long)right), left);
        public static Tensor operator /(Tensor left, long right) => Made(LibTorch.lt_div_scalar(left.Handle, right), left);
        public static Tensor operator /(Tensor left, float right) => Made(LibTorch.lt_div_scalar(left.Handle, (double)right), left);
        public static Tensor operator /(Tensor left, double right) => Made(LibTorch.lt_div_scalar(left.Handle, right), left);
        public static Tensor operator /(Scalar left, Tensor right) => right.Divides(left);
        public static Tensor operator /(int left, Tensor right) => right.Divides((long)left);
        public static Tensor operator /(long left, Tensor right) => right.Divides(left);
        public static Tensor operator /(float left, Tensor right) => right.Divides((double)left);
        public static Tensor operator /(double left, Tensor right) => right.Divides(left);

        public static Tensor operator %(Tensor left, Tensor right) => left.remainder(right);
        public static Tensor operator %(Tensor left, Scalar right) => left.remainder(right);
        public static Tensor operator %(Tensor left, int right) => Made(LibTorch.lt_remainder_scalar(left.Handle, (long)right), left);
        public static Tensor operator %(Tensor left, long right) => Made(LibTorch.lt_remainder_scalar(left.Handle, right), left);
        public static Tensor operator %(Tensor left, float right) => Made(LibTorch.lt_remainder_scalar(left.Handle, (double)right), left);
        public static Tensor operator %(Tensor left, double right) => Made(LibTorch.lt_remainder_scalar(left.Handle, right), left);

        public static Tensor operator ==(Tensor left, Tensor right) => left.eq(right);
        public static Tensor operator ==(Tensor left, Scalar right) => left.eq(right);
        public static Tensor operator ==(Scalar left, Tensor right) => right.eq(left);
        public static Tensor operator !=(Tensor left, Tensor right) => left.ne(right);
        public static Tensor operator !=(Tensor left, Scalar right) => left.ne(right);
        public static Tensor operator !=(Scalar left, Tensor right) => right.ne(left);
        public static Tensor operator <(Tensor left, Tensor right) => left.lt(right);
        public static Tensor operator <(Tensor left, Scalar right) => left.lt(right);
        public static Tensor operator <(Scalar left, Tensor right) => right.gt(left);
        public static Tensor operator <=(Tensor left, Tensor right) => left.le(right);
        public static Tensor operator <=(Tensor left, Scalar right) => left.le(right);
        public static Tensor operator <=(Scalar left, Tensor right) => right.ge(left);
        public static Tensor operator >(Tensor left, Tensor right) => left.gt(right);
        public static Tensor operator >(Tensor left, Scalar right) => left.gt(right);
        public static Tensor operator >(Scalar left, Tensor right) => right.lt(left);
        public static Tensor operator >=(Tensor left, Tensor right) => left.ge(right);
        public static Tensor operator >=(Tensor left, Scalar right) => left.ge(right);
        public static Tensor operator >=(Scalar left, Tensor right) => right.le(left);

        public static Tensor operator &(Tensor left, Tensor right) => left.bitwise_and(right);
        public static Tensor operator |(Tensor left, Tensor right) => left.bitwise_or(right);
        public static Tensor operator ^(Tensor left, Tensor right) => left.bitwise_xor(right);
        public static Tensor operator ~(Tensor left) => left.bitwise_not();
        public static Tensor operator -(Tensor tensor) => tensor.neg();

        // number / this
        private Tensor Divides(Number number)
        {
            using Tensor inverse = reciprocal();
            return Made(LibTorch.lt_mul_scalar(inverse.Handle, number), inverse);
        }
    }
}
