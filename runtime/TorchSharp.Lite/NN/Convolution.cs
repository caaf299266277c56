using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>What convolutions share: weight, bias and geometry.</summary>
    public abstract class Convolution : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        [ComponentName(Name = "weight")] protected Parameter _weight;
        [ComponentName(Name = "bias")] protected Parameter? _bias;
        protected long input_channels;

        protected Convolution(string name, long in_channels, long out_channels, long[] kernel_size, long[] stride, long[] padding, Padding? padding_type, long[] dilation,
            bool transposed, long[] output_padding, long groups, bool bias, PaddingModes padding_mode, torch.Device? device = null, torch.ScalarType? dtype = null) : base(name)
        {
            if (in_channels % groups != 0 || out_channels % groups != 0)
                throw new ArgumentException($"{in_channels} input and {out_channels} output channels do not divide into {groups} groups.", nameof(groups));
            if (padding_type == Padding.Same && stride.Any(s => s != 1))
                throw new ArgumentException("Padding 'same' needs stride 1.", nameof(padding_type));
            (input_channels, this.in_channels, this.out_channels) = (in_channels, in_channels, out_channels);
            (this.kernel_size, this.stride, this.padding, this.padding_type) = (kernel_size, stride, padding, padding_type);
            (this.dilation, this.transposed, this.output_padding) = (dilation, transposed, output_padding);
            (this.groups, this.padding_mode) = (groups, padding_mode);
            long[] shape = [transposed ? in_channels : out_channels, (transposed ? out_channels : in_channels) / groups, .. kernel_size];
            _weight = Own(new Parameter(torch.empty(shape, dtype, device)));
            if (bias) _bias = Own(new Parameter(torch.empty([out_channels], dtype, device)));
            reset_parameters();
            RegisterComponents();
        }

        public long in_channels { get; }
        public long out_channels { get; }
        public long[] kernel_size { get; set; }
        public long[] stride { get; set; }
        public long[] padding { get; private set; }
        public Padding? padding_type { get; private set; }
        public long[] dilation { get; set; }
        public bool transposed { get; }
        public long[] output_padding { get; set; }
        public long groups { get; set; }
        public PaddingModes padding_mode { get; set; }

        /// <summary>[out_channels, in_channels / groups, kernel...]</summary>
        public Parameter weight
        {
            get => _weight;
            set => Replace(ref _weight!, value, nameof(weight));
        }

        /// <summary>[out_channels], or null</summary>
        public Parameter? bias
        {
            get => _bias;
            set => Replace(ref _bias, value, nameof(bias));
        }

        public void reset_parameters() => Reset.LinearWeights(_weight, _bias);

        public void SetPadding(long[] padding) => (this.padding, padding_type) = (padding, null);

        public void SetPadding(Padding padding) => padding_type = padding;

        protected bool ValidateShape(torch.Tensor input, long dimensions) => input.dim() == dimensions + 1 || input.dim() == dimensions + 2;
    }

    /// <summary>Cross-correlation over one axis: [B, in_channels, T] to [B, out_channels, T'].</summary>
    public sealed class Conv1d : Convolution
    {
        internal Conv1d(long in_channels, long out_channels, long kernel_size, long stride, long padding, Padding? padding_type, long dilation,
            PaddingModes padding_mode, long groups, bool bias, torch.Device? device, torch.ScalarType? dtype)
            : base(nameof(Conv1d), in_channels, out_channels, [kernel_size], [stride], [padding], padding_type, [dilation], false, [0], groups, bias, padding_mode, device, dtype)
        {
        }

        public override torch.Tensor forward(torch.Tensor input)
        {
            if (!ValidateShape(input, 1))
                throw new ArgumentException($"Conv1d reads [channels, length] or [batch, channels, length]; got [{string.Join(", ", input.shape)}].", nameof(input));
            var (left, right) = Widths();
            if (left == right && padding_mode == PaddingModes.Zeros)
                return torch.nn.functional.conv1d(input, _weight, _bias, stride[0], left, dilation[0], groups);
            using torch.Tensor padded = torch.nn.functional.pad(input, new long[] { left, right }, padding_mode);
            return torch.nn.functional.conv1d(padded, _weight, _bias, stride[0], 0, dilation[0], groups);
        }

        private (long Left, long Right) Widths()
        {
            if (padding_type is null) return (padding[0], padding[0]);
            if (padding_type == Padding.Valid) return (0, 0);
            long total = dilation[0] * (kernel_size[0] - 1);
            return (total / 2, total - total / 2);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Conv1d Conv1d(long in_channels, long out_channels, long kernel_size, long stride = 1, long padding = 0, long dilation = 1,
                PaddingModes padding_mode = PaddingModes.Zeros, long groups = 1, bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                new(in_channels, out_channels, kernel_size, stride, padding, null, dilation, padding_mode, groups, bias, device, dtype);

            public static Modules.Conv1d Conv1d(long in_channels, long out_channels, long kernel_size, Padding padding, long stride = 1, long dilation = 1,
                PaddingModes padding_mode = PaddingModes.Zeros, long groups = 1, bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                new(in_channels, out_channels, kernel_size, stride, 0, padding, dilation, padding_mode, groups, bias, device, dtype);
        }
    }
}
