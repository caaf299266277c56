using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            /// <summary>x Wᵀ + b.</summary>
            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null) =>
                Tensor.Made(LibTorch.lt_linear(input.Handle, weights.Handle, Tensor.HandleOf(bias)), input, weights, bias);

            internal static Tensor Embed(Tensor table, Tensor indexes, long padding_idx, bool scale_grad_by_freq, bool sparse) =>
                Tensor.Made(LibTorch.lt_embedding(table.Handle, indexes.Handle, padding_idx, scale_grad_by_freq ? 1 : 0, sparse ? 1 : 0), table, indexes);

            public static unsafe Tensor layer_norm(Tensor input, long[] normalized_shape, Tensor? weight = null, Tensor? bias = null, double eps = 1e-5)
            {
                fixed (long* shape = normalized_shape)
                    return Tensor.Made(LibTorch.lt_layer_norm(input.Handle, shape, normalized_shape.Length, Tensor.HandleOf(weight), Tensor.HandleOf(bias), eps), input, weight, bias);
            }

            public static Tensor group_norm(Tensor input, long num_groups, Tensor? weight = null, Tensor? bias = null, double eps = 1e-5) =>
                Tensor.Made(LibTorch.lt_group_norm(input.Handle, num_groups, Tensor.HandleOf(weight), Tensor.HandleOf(bias), eps), input, weight, bias);

            /// <summary>Divides by the p-norm along one axis, or by eps where the norm is less.</summary>
            public static Tensor normalize(Tensor input, double p = 2, long dim = 1, double eps = 1e-12)
            {
                using var scope = NewDisposeScope();
                return input.div(input.norm((int)dim, keepdim: true, p: (float)p).clamp_min(eps)).MoveToOuterDisposeScope();
            }

            public static Tensor cosine_similarity(Tensor x1, Tensor x2, long dim = 1, double eps = 1e-8) =>
                Tensor.Made(LibTorch.lt_cosine_similarity(x1.Handle, x2.Handle, dim, eps), x1, x2);

            public static Tensor dropout(Tensor input, double p = 0.5, bool training = true, bool inplace = false)
            {
                if (!inplace) return Tensor.Made(LibTorch.lt_dropout(input.Handle, p, training ? 1 : 0), input);
                Errors.Check(LibTorch.lt_dropout_(input.Handle, p, training ? 1 : 0));
                return input.alias();
            }

            /// <summary>Input [B, C, T], weight [O, C / groups, K].</summary>
            public static Tensor conv1d(Tensor input, Tensor weight, Tensor? bias = null, long? stride = null, long? padding = null, long? dilation = null, long groups = 1) =>
                Tensor.Made(LibTorch.lt_conv1d(input.Handle, weight.Handle, Tensor.HandleOf(bias), stride ?? 1, padding ?? 0, dilation ?? 1, groups), input, weight, bias);

            /// <param name="input">What is padded.</param>
            /// <param name="pad">Widths before and after, the last axis first.</param>
            /// <param name="mode">What the border is filled with.</param>
            /// <param name="value">The filling of <see cref="PaddingModes.Constant"/>.</param>
            public static unsafe Tensor pad(Tensor input, ReadOnlySpan<long> pad, PaddingModes mode = PaddingModes.Constant, double value = 0)
            {
                fixed (long* widths = pad)
                    return Tensor.Made(LibTorch.lt_pad(input.Handle, widths, pad.Length, (int)mode, value), input);
            }

            public static Tensor pad(Tensor input, long[] pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, (ReadOnlySpan<long>)pad, mode, value);

            public static Tensor pad(Tensor input, (long, long) pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, (ReadOnlySpan<long>)[pad.Item1, pad.Item2], mode, value);

            public static Tensor pad(Tensor input, (long, long, long, long) pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, (ReadOnlySpan<long>)[pad.Item1, pad.Item2, pad.Item3, pad.Item4], mode, value);

            /// <summary>The same width on both sides of every axis.</summary>
            public static Tensor pad(Tensor input, long pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, (ReadOnlySpan<long>)Enumerable.Repeat(pad, 2 * (int)input.dim()).ToArray(), mode, value);

            public static Tensor one_hot(Tensor x, long num_classes = -1) => Tensor.Made(LibTorch.lt_one_hot(x.Handle, num_classes), x);

            /// <summary>softmax(q kᵀ / sqrt(d) + mask) v. Queries [..., L, d], keys [..., S, d], values [..., S, v].</summary>
            /// <param name="query">[..., L, d]</param>
            /// <param name="key">[..., S, d]</param>
            /// <param name="value">[..., S, v]</param>
            /// <param name="attn_mask">[..., L, S]; of type bool: true where a key takes part; else it is added to the scores.</param>
            /// <param name="p">Dropout of the weights.</param>
            /// <param name="is_casual">Whether query i sees the keys 0 to i only. Excludes attn_mask.</param>
            public static Tensor scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask = null, double p = 0, bool is_casual = false)
            {
                if (is_casual && attn_mask is not null)
                    throw new ArgumentException("A causal mask and attn_mask exclude each other: put both into attn_mask.", nameof(attn_mask));
                using var scope = NewDisposeScope();
                Tensor scores = query.mul(1 / Math.Sqrt(query.shape[^1])).matmul(key.transpose(-2, -1));
                if (is_casual) attn_mask = ones(scores.shape[^2], scores.shape[^1], ScalarType.Bool, query.device).tril();
                if (attn_mask is not null)
                    scores = attn_mask.dtype == ScalarType.Bool ? scores.masked_fill(attn_mask.logical_not(), double.NegativeInfinity) : scores.add(attn_mask);
                Tensor weights = scores.softmax(-1);
                if (p > 0) weights = dropout(weights, p);
                return weights.matmul(value).MoveToOuterDisposeScope();
            }
        }
    }
}
