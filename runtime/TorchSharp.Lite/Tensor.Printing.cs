using System.Globalization;
using System.Text;

namespace TorchSharp;

public static partial class torch
{
    public static TensorStringStyle julia = TensorStringStyle.Julia;
    public static TensorStringStyle numpy = TensorStringStyle.Numpy;
    public static TensorStringStyle csharp = TensorStringStyle.CSharp;

    public static TensorStringStyle TensorStringStyle { get; set; } = TensorStringStyle.Metadata;

    public partial class Tensor
    {
        // Longer axes show this many entries at each end.
        private const int EdgeItems = 3, WholeAxis = 12;

        public override string ToString() => IsInvalid ? "disposed" : ToString(TensorStringStyle.Default);

        public string ToString(bool disamb, string? fltFormat = null, int? width = null, CultureInfo? cultureInfo = null, string? newLine = null) =>
            ToString(disamb ? TensorStringStyle.Numpy : TensorStringStyle.Default, fltFormat, width, cultureInfo, newLine);

        /// <summary>The tensor as text: shape, type and device, and its elements in every style but Metadata.</summary>
        public string ToString(TensorStringStyle style, string? fltFormat = null, int? width = null, CultureInfo? cultureInfo = null, string? newLine = null)
        {
            TensorStringStyle chosen = style == TensorStringStyle.Default ? torch.TensorStringStyle : style;
            if (chosen is TensorStringStyle.Metadata or TensorStringStyle.Default || is_meta)
                return this.metastr();
            using DisposeScope own = NewDisposeScope();
            using IDisposable unrecorded = no_grad();
            var text = new StringBuilder();
            if (chosen != TensorStringStyle.Numpy)
                text.Append(this.metastr()).Append(newLine ?? "\n");
            Tensor elements = is_complex() || dtype == ScalarType.Bool ? cpu() : cpu().to_type(is_floating_point() ? ScalarType.Float64 : ScalarType.Int64);
            Append(text, elements, 0, fltFormat ?? "g5", cultureInfo ?? CultureInfo.InvariantCulture, newLine ?? "\n");
            return text.ToString();
        }

        private static void Append(StringBuilder text, Tensor tensor, int depth, string format, CultureInfo culture, string newLine)
        {
            if (tensor.dim() == 0)
            {
                Scalar value = tensor.item();
                text.Append(value.Value.Kind switch
                {
                    1 => value.ToInt64().ToString(culture),
                    2 => value.ToDouble().ToString(format, culture),
                    3 => value.ToBoolean().ToString(),
                    _ => value.ToComplexFloat64().ToString(format, culture),
                });
                return;
            }
            long length = tensor.shape[0];
            string separator = tensor.dim() == 1 ? ", " : "," + newLine + new string(' ', depth + 1);
            text.Append('[');
            for (long k = 0; k < length; k++)
            {
                if (k > 0)
                    text.Append(separator);
                if (length > WholeAxis && k == EdgeItems)
                {
                    text.Append("...");
                    k = length - EdgeItems - 1;
                    continue;
                }
                using Tensor entry = tensor.select(0, k);
                Append(text, entry, depth + 1, format, culture, newLine);
            }
            text.Append(']');
        }
    }
}
