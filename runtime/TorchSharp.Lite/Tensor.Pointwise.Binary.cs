using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor add(Scalar scalar) => Made(LibTorch.lt_add_scalar(Handle, scalar, Number.One), this);
        public Tensor add(Scalar scalar, Scalar alpha) => Made(LibTorch.lt_add_scalar(Handle, scalar, alpha), this);
        public Tensor add(Tensor target) => Made(LibTorch.lt_add(Handle, target.Handle, Number.One), this, target);
        public Tensor add(Tensor target, Scalar alpha) => Made(LibTorch.lt_add(Handle, target.Handle, alpha), this, target);
        public Tensor add_(Scalar scalar) => Changed(LibTorch.lt_add_scalar_(Handle, scalar, Number.One));
        public Tensor add_(Scalar scalar, Scalar alpha) => Changed(LibTorch.lt_add_scalar_(Handle, scalar, alpha));
        public Tensor add_(Tensor target) => Changed(LibTorch.lt_add_(Handle, target.Handle, Number.One), target);
        public Tensor add_(Tensor target, Scalar alpha) => Changed(LibTorch.lt_add_(Handle, target.Handle, alpha), target);
        public Tensor sub(Scalar target) => Made(LibTorch.lt_sub_scalar(Handle, target, Number.One), this);
        public Tensor sub(Tensor target) => Made(LibTorch.lt_sub(Handle, target.Handle, Number.One), this, target);
        public Tensor sub_(Scalar target) => Changed(LibTorch.lt_sub_scalar_(Handle, target, Number.One));
        public Tensor sub_(Tensor target) => Changed(LibTorch.lt_sub_(Handle, target.Handle, Number.One), target);
        public Tensor subtract(Scalar target) => sub(target);
        public Tensor subtract(Tensor target) => sub(target);
        public Tensor subtract_(Scalar target) => sub_(target);
        public Tensor subtract_(Tensor target) => sub_(target);
        public Tensor mul(Scalar target) => Made(LibTorch.lt_mul_scalar(Handle, target), this);
        public Tensor mul(Tensor target) => Made(LibTorch.lt_mul(Handle, target.Handle), this, target);
        public Tensor mul_(Scalar target) => Changed(LibTorch.lt_mul_scalar_(Handle, target));
        public Tensor mul_(Tensor target) => Changed(LibTorch.lt_mul_(Handle, target.Handle), target);
        public Tensor multiply(Scalar target) => mul(target);
        public Tensor multiply(Tensor target) => mul(target);
        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None
                ? Made(LibTorch.lt_div_scalar(Handle, target), this)
                : Ops.div_Scalar_mode.Call(this, target, rounding_mode.ToString());
        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None
                ? Made(LibTorch.lt_div(Handle, target.Handle), this, target)
                : Ops.div_Tensor_mode.Call(this, target, rounding_mode.ToString());
        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None
                ? Changed(LibTorch.lt_div_scalar_(Handle, target))
                : Ops.div__Scalar_mode.Change(this, target, rounding_mode.ToString());
        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None
                ? Changed(LibTorch.lt_div_(Handle, target.Handle), target)
                : Ops.div__Tensor_mode.Change(this, target, rounding_mode.ToString());
        public Tensor divide(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);
        public Tensor divide(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);
        public Tensor divide_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);
        public Tensor divide_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);
        public Tensor true_divide(Scalar other) => div(other);
        public Tensor true_divide(Tensor other) => div(other);
        public Tensor true_divide_(Scalar other) => div_(other);
        public Tensor true_divide_(Tensor other) => div_(other);
        public Tensor floor_divide(Scalar other) => Ops.floor_divide_Scalar.Call(this, other);
        public Tensor floor_divide(Tensor other) => Ops.floor_divide.Call(this, other);
        public Tensor floor_divide_(Scalar other) => Ops.floor_divide__Scalar.Change(this, other);
        public Tensor floor_divide_(Tensor other) => Ops.floor_divide__Tensor.Change(this, other);
        public Tensor remainder(Scalar scalar) => Made(LibTorch.lt_remainder_scalar(Handle, scalar), this);
        public Tensor remainder(Tensor target) => Made(LibTorch.lt_remainder(Handle, target.Handle), this, target);
        public Tensor remainder_(Scalar scalar) => Changed(LibTorch.lt_remainder_scalar_(Handle, scalar));
        public Tensor remainder_(Tensor target) => Changed(LibTorch.lt_remainder_(Handle, target.Handle), target);
        public Tensor fmod(Scalar scalar) => Ops.fmod_Scalar.Call(this, scalar);
        public Tensor fmod(Tensor target) => Ops.fmod_Tensor.Call(this, target);
        public Tensor fmod_(Scalar scalar) => Ops.fmod__Scalar.Change(this, scalar);
        public Tensor fmod_(Tensor target) => Ops.fmod__Tensor.Change(this, target);
        public Tensor pow(Scalar exponent) => Made(LibTorch.lt_pow_scalar(Handle, exponent), this);
        public Tensor pow(Tensor exponent) => Made(LibTorch.lt_pow(Handle, exponent.Handle), this, exponent);
        public Tensor pow_(Scalar exponent) => Changed(LibTorch.lt_pow_scalar_(Handle, exponent));
        public Tensor pow_(Tensor exponent) => Changed(LibTorch.lt_pow_(Handle, exponent.Handle), exponent);
        public Tensor float_power(Tensor target) => Ops.float_power_Tensor_Tensor.Call(this, target);
        public Tensor float_power_(Tensor target) => Ops.float_power__Tensor.Change(this, target);
        public Tensor maximum(Tensor other) => Made(LibTorch.lt_maximum(Handle, other.Handle), this, other);
        public Tensor minimum(Tensor other) => Made(LibTorch.lt_minimum(Handle, other.Handle), this, other);
        public Tensor fmax(Tensor other) => Ops.fmax.Call(this, other);
        public Tensor fmin(Tensor other) => Ops.fmin.Call(this, other);
        public Tensor atan2(Tensor other) => Ops.atan2.Call(this, other);
        public Tensor atan2_(Tensor other) => Ops.atan2_.Change(this, other);
        public Tensor arctan2(Tensor other) => atan2(other);
        public Tensor arctan2_(Tensor other) => atan2_(other);
        public Tensor copysign(Tensor other) => Ops.copysign_Tensor.Call(this, other);
        public Tensor copysign_(Tensor other) => Ops.copysign__Tensor.Change(this, other);
        public Tensor hypot(Tensor other) => Ops.hypot.Call(this, other);
        public Tensor gcd(Tensor other) => Ops.gcd.Call(this, other);
        public Tensor gcd_(Tensor other) => Ops.gcd_.Change(this, other);
        public Tensor lcm(Tensor other) => Ops.lcm.Call(this, other);
        public Tensor lcm_(Tensor other) => Ops.lcm_.Change(this, other);
        public Tensor heaviside(Tensor other) => Ops.heaviside.Call(this, other);
        public Tensor heaviside_(Tensor other) => Ops.heaviside_.Change(this, other);
        public Tensor ldexp(Tensor other) => Ops.ldexp_Tensor.Call(this, other);
        public Tensor ldexp_(Tensor other) => Ops.ldexp_.Change(this, other);
        public Tensor logaddexp(Tensor other) => Ops.logaddexp.Call(this, other);
        public Tensor logaddexp2(Tensor other) => Ops.logaddexp2.Call(this, other);
        public Tensor nextafter(Tensor other) => Ops.nextafter.Call(this, other);
        public Tensor nextafter_(Tensor other) => Ops.nextafter_.Change(this, other);
        public Tensor xlogy(Scalar y) => Ops.xlogy_Scalar_Other.Call(this, y);
        public Tensor xlogy(Tensor y) => Ops.xlogy_Tensor.Call(this, y);
        public Tensor xlogy_(Scalar y) => Ops.xlogy__Scalar_Other.Change(this, y);
        public Tensor xlogy_(Tensor y) => Ops.xlogy__Tensor.Change(this, y);
        public Tensor bitwise_and(Tensor other) => Made(LibTorch.lt_bitwise_and(Handle, other.Handle), this, other);
        public Tensor bitwise_and_(Tensor other) => Ops.bitwise_and__Tensor.Change(this, other);
        public Tensor bitwise_or(Tensor other) => Made(LibTorch.lt_bitwise_or(Handle, other.Handle), this, other);
        public Tensor bitwise_or_(Tensor other) => Ops.bitwise_or__Tensor.Change(this, other);
        public Tensor bitwise_xor(Tensor other) => Made(LibTorch.lt_bitwise_xor(Handle, other.Handle), this, other);
        public Tensor bitwise_xor_(Tensor other) => Ops.bitwise_xor__Tensor.Change(this, other);
        public Tensor bitwise_left_shift(Tensor other) => Ops.bitwise_left_shift_Tensor.Call(this, other);
        public Tensor bitwise_left_shift_(Tensor other) => Ops.bitwise_left_shift__Tensor.Change(this, other);
        public Tensor bitwise_right_shift(Tensor other) => Ops.bitwise_right_shift_Tensor.Call(this, other);
        public Tensor bitwise_right_shift_(Tensor other) => Ops.bitwise_right_shift__Tensor.Change(this, other);
        public Tensor logical_and(Tensor other) => Made(LibTorch.lt_logical_and(Handle, other.Handle), this, other);
        public Tensor logical_and_(Tensor other) => Ops.logical_and_.Change(this, other);
        public Tensor logical_or(Tensor other) => Made(LibTorch.lt_logical_or(Handle, other.Handle), this, other);
        public Tensor logical_or_(Tensor other) => Ops.logical_or_.Change(this, other);
        public Tensor logical_xor(Tensor other) => Made(LibTorch.lt_logical_xor(Handle, other.Handle), this, other);
        public Tensor logical_xor_(Tensor other) => Ops.logical_xor_.Change(this, other);
        public Tensor eq(Scalar target) => Made(LibTorch.lt_eq_scalar(Handle, target), this);
        public Tensor eq(Tensor target) => Made(LibTorch.lt_eq(Handle, target.Handle), this, target);
        public Tensor eq_(Scalar target) => Ops.eq__Scalar.Change(this, target);
        public Tensor eq_(Tensor target) => Ops.eq__Tensor.Change(this, target);
        public Tensor ne(Scalar target) => Made(LibTorch.lt_ne_scalar(Handle, target), this);
        public Tensor ne(Tensor target) => Made(LibTorch.lt_ne(Handle, target.Handle), this, target);
        public Tensor ne_(Scalar target) => Ops.ne__Scalar.Change(this, target);
        public Tensor ne_(Tensor target) => Ops.ne__Tensor.Change(this, target);
        public Tensor lt(Scalar target) => Made(LibTorch.lt_lt_scalar(Handle, target), this);
        public Tensor lt(Tensor target) => Made(LibTorch.lt_lt(Handle, target.Handle), this, target);
        public Tensor lt_(Scalar target) => Ops.lt__Scalar.Change(this, target);
        public Tensor lt_(Tensor target) => Ops.lt__Tensor.Change(this, target);
        public Tensor le(Scalar target) => Made(LibTorch.lt_le_scalar(Handle, target), this);
        public Tensor le(Tensor target) => Made(LibTorch.lt_le(Handle, target.Handle), this, target);
        public Tensor le_(Scalar target) => Ops.le__Scalar.Change(this, target);
        public Tensor le_(Tensor target) => Ops.le__Tensor.Change(this, target);
        public Tensor gt(Scalar target) => Made(LibTorch.lt_gt_scalar(Handle, target), this);
        public Tensor gt(Tensor target) => Made(LibTorch.lt_gt(Handle, target.Handle), this, target);
        public Tensor gt_(Scalar target) => Ops.gt__Scalar.Change(this, target);
        public Tensor gt_(Tensor target) => Ops.gt__Tensor.Change(this, target);
        public Tensor ge(Scalar target) => Made(LibTorch.lt_ge_scalar(Handle, target), this);
        public Tensor ge(Tensor target) => Made(LibTorch.lt_ge(Handle, target.Handle), this, target);
        public Tensor ge_(Scalar target) => Ops.ge__Scalar.Change(this, target);
        public Tensor ge_(Tensor target) => Ops.ge__Tensor.Change(this, target);
        public Tensor equal(Tensor target) => eq(target);
        public Tensor greater(Tensor target) => gt(target);
        public Tensor greater_equal(Tensor target) => ge(target);
        public Tensor less(Tensor target) => lt(target);
        public Tensor less_equal(Tensor target) => le(target);
        public Tensor less_equal_(Tensor target) => le_(target);
        public Tensor not_equal(Tensor target) => ne(target);
        public Tensor not_equal_(Tensor target) => ne_(target);
        public Tensor addcmul(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Made(LibTorch.lt_addcmul(Handle, tensor1.Handle, tensor2.Handle, value), this, tensor1, tensor2);
        public Tensor addcmul_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Changed(LibTorch.lt_addcmul_(Handle, tensor1.Handle, tensor2.Handle, value), tensor1, tensor2);
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2) => addcdiv(tensor1, tensor2, 1);
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Made(LibTorch.lt_addcdiv(Handle, tensor1.Handle, tensor2.Handle, value), this, tensor1, tensor2);
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2) => addcdiv_(tensor1, tensor2, 1);
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Changed(LibTorch.lt_addcdiv_(Handle, tensor1.Handle, tensor2.Handle, value), tensor1, tensor2);
        public Tensor lerp(Tensor end, Tensor weight) => Made(LibTorch.lt_lerp(Handle, end.Handle, weight.Handle), this, end, weight);
        public Tensor lerp_(Tensor end, Tensor weight) => Changed(LibTorch.lt_lerp_(Handle, end.Handle, weight.Handle), end, weight);
        public Tensor clamp(Scalar? min = null, Scalar? max = null) => Made(LibTorch.lt_clamp_scalar(Handle, min, max), this);
        public Tensor clamp(Tensor? min = null, Tensor? max = null) => Made(LibTorch.lt_clamp(Handle, HandleOf(min), HandleOf(max)), this, min, max);
        public Tensor clamp_(Scalar? min = null, Scalar? max = null) => Changed(LibTorch.lt_clamp_scalar_(Handle, min, max));
        public Tensor clamp_(Tensor? min = null, Tensor? max = null) => Ops.clamp__Tensor.Change(this, min, max);
        public Tensor clamp_min(Scalar min) => clamp(min: min);
        public Tensor clamp_min_(Scalar min) => clamp_(min: min);
        public Tensor clamp_max(Scalar max) => clamp(max: max);
        public Tensor clamp_max_(Scalar max) => clamp_(max: max);
        public Tensor clip(Scalar? min = null, Scalar? max = null) => clamp(min, max);
        public Tensor where(Tensor condition, Tensor y) => Made(LibTorch.lt_where(condition.Handle, Handle, y.Handle), this, condition, y);
        public Tensor isclose(Tensor other, double rtol = 1e-05, double atol = 1E-08, bool nanEqual = false) => Ops.isclose.Call(this, other, rtol, atol, nanEqual);
        public bool allclose(Tensor target, double rtol = 1e-05, double atol = 1E-08, bool equal_nan = false) => AllClose(target, rtol, atol, equal_nan);
        public Tensor igamma(Tensor other) => Ops.igamma.Call(this, other);
        public Tensor igammac(Tensor other) => Ops.igammac.Call(this, other);

        private bool AllClose(Tensor target, double rtol, double atol, bool equal_nan)
        {
            long close = Errors.Check((long)LibTorch.lt_allclose(Handle, target.Handle, rtol, atol, equal_nan ? 1 : 0));
            GC.KeepAlive(this);
            GC.KeepAlive(target);
            return close != 0;
        }
    }
}
