using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>Mean 0 and variance 1 over the last dimensions, then weight and bias.</summary>
    public sealed class LayerNorm : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        [ComponentName(Name = "weight")] private Parameter? weight_;
        [ComponentName(Name = "bias")] private Parameter? bias_;

        internal LayerNorm(long[] normalized_shape, double eps, bool elementwise_affine, bool bias, torch.Device? device, torch.ScalarType? dtype) : base(nameof(LayerNorm))
        {
            (this.normalized_shape, this.eps, this.elementwise_affine) = (normalized_shape, eps, elementwise_affine);
            if (elementwise_affine)
            {
                weight_ = Own(new Parameter(torch.ones(normalized_shape, dtype, device)));
                if (bias) bias_ = Own(new Parameter(torch.zeros(normalized_shape, dtype, device)));
            }
            RegisterComponents();
        }

        public long[] normalized_shape { get; set; }
        public double eps { get; set; }
        public bool elementwise_affine { get; set; }

        public Parameter? weight
        {
            get => weight_;
            set => Replace(ref weight_, value, nameof(weight));
        }

        public Parameter? bias
        {
            get => bias_;
            set => Replace(ref bias_, value, nameof(bias));
        }

        public void reset_parameters()
        {
            if (weight_ is not null) torch.nn.init.ones_(weight_);
            if (bias_ is not null) torch.nn.init.zeros_(bias_);
        }

        public override torch.Tensor forward(torch.Tensor tensor) => torch.nn.functional.layer_norm(tensor, normalized_shape, weight_, bias_, eps);
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.LayerNorm LayerNorm(long[] normalized_shape, double eps = 1e-5, bool elementwise_affine = true, bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                new(normalized_shape, eps, elementwise_affine, bias, device, dtype);

            public static Modules.LayerNorm LayerNorm(long normalized_shape, double eps = 1e-5, bool elementwise_affine = true, bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                new([normalized_shape], eps, elementwise_affine, bias, device, dtype);
        }
    }
}
