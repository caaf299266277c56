using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>Rows of a table by index: [...] int64 to [..., embedding_dims].</summary>
    public sealed class Embedding : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        [ComponentName(Name = "weight")] private Parameter weight_;
        private readonly long padding_idx;
        private readonly bool scale_grad_by_freq, sparse;

        internal Embedding(Parameter weight, long? padding_idx, double? max_norm, bool scale_grad_by_freq, bool sparse) : base(nameof(Embedding))
        {
            if (max_norm is not null) throw new NotSupportedException("Embedding with max_norm is not available here: scale the table yourself.");
            this.padding_idx = padding_idx is { } row ? row < 0 ? row + weight.shape[0] : row : -1;
            (this.scale_grad_by_freq, this.sparse) = (scale_grad_by_freq, sparse);
            weight_ = weight;
            RegisterComponents();
        }

        /// <summary>[num_embeddings, embedding_dims]</summary>
        public Parameter weight
        {
            get => weight_;
            set => Replace(ref weight_!, value, nameof(weight));
        }

        public override torch.Tensor forward(torch.Tensor input) =>
            torch.nn.functional.Embed(weight_, input, padding_idx, scale_grad_by_freq, sparse);

        internal static Parameter Table(long rows, long columns, long? padding_idx, torch.Device? device, torch.ScalarType? dtype)
        {
            var table = new Parameter(torch.empty(rows, columns, dtype, device));
            if (table.device_type == DeviceType.META) return table;
            torch.nn.init.normal_(table);
            if (padding_idx is not { } row) return table;
            using var noGrad = torch.no_grad();
            using torch.Tensor padding = table.narrow(0, row < 0 ? row + rows : row, 1);
            padding.fill_(0);
            return table;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            /// <param name="num_embeddings">Rows of the table.</param>
            /// <param name="embedding_dims">Columns of the table.</param>
            /// <param name="padding_idx">A row of zeros that gets no gradient.</param>
            /// <param name="max_norm">Not available here.</param>
            /// <param name="norm_type">Not available here.</param>
            /// <param name="scale_grad_by_freq">Whether a row's gradient is divided by how often it was read.</param>
            /// <param name="sparse">Whether the gradient is a sparse tensor.</param>
            /// <param name="device">Where the table is.</param>
            /// <param name="dtype">The table's type.</param>
            public static Modules.Embedding Embedding(long num_embeddings, long embedding_dims, long? padding_idx = null, double? max_norm = null, double norm_type = 2,
                bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null) =>
                new(Modules.Embedding.Table(num_embeddings, embedding_dims, padding_idx, device, dtype), padding_idx, max_norm, scale_grad_by_freq, sparse);

            public static Modules.Embedding Embedding_from_pretrained(Tensor embeddings, bool freeze = true, long? padding_idx = null, double? max_norm = null, double norm_type = 2,
                bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null) =>
                new(new Modules.Parameter(embeddings.detach().to(dtype ?? embeddings.dtype, device ?? embeddings.device).clone(), !freeze), padding_idx, max_norm, scale_grad_by_freq, sparse);
        }
    }
}
