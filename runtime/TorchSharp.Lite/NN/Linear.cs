using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>x Wᵀ + b: [..., in_features] to [..., out_features].</summary>
    public sealed class Linear : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        [ComponentName(Name = "weight")] private Parameter weight_;
        [ComponentName(Name = "bias")] private Parameter? bias_;

        internal Linear(long inputSize, long outputSize, bool hasBias, torch.Device? device, torch.ScalarType? dtype) : base(nameof(Linear))
        {
            (in_features, out_features) = (inputSize, outputSize);
            weight_ = Own(new Parameter(torch.empty(outputSize, inputSize, dtype, device)));
            if (hasBias) bias_ = Own(new Parameter(torch.empty(outputSize, dtype, device)));
            Reset.LinearWeights(weight_, bias_);
            RegisterComponents();
        }

        internal Linear(Parameter weight, Parameter? bias) : base(nameof(Linear))
        {
            (out_features, in_features) = (weight.shape[0], weight.shape[1]);
            (weight_, bias_) = (Own(weight), bias is null ? null : Own(bias));
            RegisterComponents();
        }

        public long in_features { get; set; }
        public long out_features { get; set; }

        /// <summary>[out_features, in_features]</summary>
        public Parameter weight
        {
            get => weight_;
            set => Replace(ref weight_!, value, nameof(weight));
        }

        /// <summary>[out_features], or null</summary>
        public Parameter? bias
        {
            get => bias_;
            set => Replace(ref bias_, value, nameof(bias));
        }

        public override torch.Tensor forward(torch.Tensor tensor) => torch.nn.functional.linear(tensor, weight_, bias_);
    }

    internal static class Reset
    {
        /// <summary>Uniform in ±1/sqrt(fan in), weight and bias: what PyTorch draws, in its order, so that seeds reproduce.</summary>
        internal static void LinearWeights(Parameter weight, Parameter? bias)
        {
            if (weight.device_type == DeviceType.META) return;
            torch.nn.init.kaiming_uniform_(weight, Math.Sqrt(5));
            if (bias is null) return;
            var (fanIn, _) = torch.nn.init.CalculateFanInAndFanOut(weight);
            double bound = fanIn > 0 ? 1 / Math.Sqrt(fanIn) : 0;
            torch.nn.init.uniform_(bias, -bound, bound);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Linear Linear(long inputSize, long outputSize, bool hasBias = true, Device? device = null, ScalarType? dtype = null) =>
                new(inputSize, outputSize, hasBias, device, dtype);

            public static Modules.Linear Linear(Modules.Parameter weight, Modules.Parameter? bias = null) => new(weight, bias);
        }
    }
}
