using Approximate = TorchSharp.Modules.GELU.Approximate;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            public static Tensor relu(Tensor x, bool inplace = false) => inplace ? x.relu_().alias() : x.relu();

            public static Tensor silu(Tensor x, bool inplace = false) => inplace ? x.silu_().alias() : x.silu();

            public static Tensor SiLU(Tensor x, bool inplace = false) => silu(x, inplace);

            public static Tensor sigmoid(Tensor x) => x.sigmoid();

            public static Tensor sigmoid(Tensor x, bool inplace) => inplace ? x.sigmoid_().alias() : x.sigmoid();

            public static Tensor tanh(Tensor x, bool inplace = false) => inplace ? x.tanh_().alias() : x.tanh();

            public static Tensor gelu(Tensor x) => gelu(x, Approximate.none);

            public static Tensor gelu(Tensor x, bool inplace) => gelu(x, Approximate.none, inplace);

            public static Tensor gelu(Tensor x, Approximate approximate, bool inplace = false) =>
                inplace ? x.gelu_(approximate) : x.gelu(approximate);

            public static Tensor softplus(Tensor x, double beta = 1, double threshold = 20) =>
                Tensor.Made(LibTorch.lt_softplus(x.Handle, beta, threshold), x);

            public static Tensor logsigmoid(Tensor x) => x.log_sigmoid();

            public static Tensor elu(Tensor x, double alpha, bool inplace = false) => inplace ? x.elu_(alpha) : x.elu(alpha);

            public static Tensor leaky_relu(Tensor input, double negative_slope = 0.01, bool inplace = false) =>
                inplace ? input.leaky_relu_(negative_slope).alias() : input.leaky_relu(negative_slope);

            public static Tensor relu6(Tensor x, bool inplace = false) => inplace ? x.relu6_().alias() : x.relu6();

            public static Tensor hardsigmoid(Tensor input, bool inplace = false) => inplace ? input.hardsigmoid_().alias() : input.hardsigmoid();

            public static Tensor hardswish(Tensor input, bool inplace = false) => inplace ? input.hardswish_().alias() : input.hardswish();

            /// <summary>x times tanh(softplus(x)).</summary>
            public static Tensor mish(Tensor x, bool inplace = false)
            {
                using var scope = NewDisposeScope();
                Tensor result = x.mul(softplus(x).tanh());
                return (inplace ? x.copy_(result).alias() : result).MoveToOuterDisposeScope();
            }

            public static Tensor glu(Tensor input, long dim = -1) => Tensor.Made(LibTorch.lt_glu(input.Handle, dim), input);

            public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => input.softmax(dim, dtype);

            public static Tensor softmin(Tensor x, long dim)
            {
                using Tensor negative = x.neg();
                return negative.softmax(dim);
            }

            public static Tensor log_softmax(Tensor x, long dim) => x.log_softmax(dim);
        }
    }
}
