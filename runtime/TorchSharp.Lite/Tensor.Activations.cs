using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor relu() => Made(LibTorch.lt_relu(Handle), this);
        public Tensor relu_() => Changed(LibTorch.lt_relu_(Handle));
        public Tensor relu6() => Ops.relu6.Call(this);
        public Tensor relu6_() => Ops.relu6_.Change(this);
        public Tensor silu() => Made(LibTorch.lt_silu(Handle), this);
        public Tensor silu_() => Changed(LibTorch.lt_silu_(Handle));
        public Tensor gelu() => Made(LibTorch.lt_gelu(Handle, 0), this);
        public Tensor gelu_() => Ops.gelu_.Change(this).alias();
        public Tensor gelu(Modules.GELU.Approximate approximate) =>
            Made(LibTorch.lt_gelu(Handle, approximate == Modules.GELU.Approximate.tanh ? 1 : 0), this);
        public Tensor gelu_(Modules.GELU.Approximate approximate) => Ops.gelu_.Change(this, approximate.ToString()).alias();
        public Tensor sigmoid() => Made(LibTorch.lt_sigmoid(Handle), this);
        public Tensor sigmoid_() => Changed(LibTorch.lt_sigmoid_(Handle));
        public Tensor softplus(double beta = 1, double threshold = 20) => Made(LibTorch.lt_softplus(Handle, beta, threshold), this);
        public Tensor softmax(long dim, ScalarType? dtype = null) => Made(LibTorch.lt_softmax(Handle, dim, Code(dtype)), this);
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => Made(LibTorch.lt_log_softmax(Handle, dim, Code(dtype)), this);
        public Tensor log_sigmoid() => Ops.log_sigmoid.Call(this);
        public Tensor elu(Scalar alpha, Scalar scale, Scalar input_scale) => Ops.elu.Call(this, alpha, scale, input_scale);
        public Tensor elu(double alpha = 1) => Ops.elu.Call(this, (Scalar)alpha);
        public Tensor elu_(Scalar alpha, Scalar scale, Scalar input_scale) => Ops.elu_.Change(this, alpha, scale, input_scale);
        public Tensor elu_(double alpha = 1) => Ops.elu_.Change(this, (Scalar)alpha).alias();
        public Tensor celu() => Ops.celu.Call(this);
        public Tensor celu(Scalar alpha) => Ops.celu.Call(this, alpha);
        public Tensor celu_() => Ops.celu_.Change(this);
        public Tensor celu_(Scalar alpha) => Ops.celu_.Change(this, alpha);
        public Tensor selu() => Ops.selu.Call(this);
        public Tensor selu_() => Ops.selu_.Change(this);
        public Tensor leaky_relu(Scalar negative_slope) => Ops.leaky_relu.Call(this, negative_slope);
        public Tensor leaky_relu_(Scalar negative_slope) => Ops.leaky_relu_.Change(this, negative_slope);
        public Tensor hardsigmoid() => Ops.hardsigmoid.Call(this);
        public Tensor hardsigmoid_() => Ops.hardsigmoid_.Change(this);
        public Tensor hardswish() => Ops.hardswish.Call(this);
        public Tensor hardswish_() => Ops.hardswish_.Change(this);
        public Tensor hardtanh(Scalar min, Scalar max) => Ops.hardtanh.Call(this, min, max);
        public Tensor hardtanh_(Scalar min, Scalar max) => Ops.hardtanh_.Change(this, min, max);
        public Tensor prelu(Tensor target) => Ops.prelu.Call(this, target);
        public Tensor rrelu(double lower = 0.125, double upper = 0.3333333333333333) => Ops.rrelu.Call(this, (Scalar)lower, (Scalar)upper);
        public Tensor rrelu_(double lower = 0.125, double upper = 0.3333333333333333) => Ops.rrelu_.Change(this, (Scalar)lower, (Scalar)upper);
        public Tensor glu(long dim = -1) => Ops.glu.Call(this, dim);
        public Tensor threshold(Scalar threshold, Scalar value) => Ops.threshold.Call(this, threshold, value);
        public Tensor threshold_(Scalar threshold, Scalar value) => Ops.threshold_.Change(this, threshold, value);
    }
}
