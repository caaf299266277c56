using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            /// <summary>Minus the logarithm of softmax at the target class.</summary>
            /// <param name="input">[N, C, ...] scores.</param>
            /// <param name="target">[N, ...] int64 classes, or [N, C, ...] probabilities.</param>
            /// <param name="weight">[C], a factor for each class.</param>
            /// <param name="ignore_index">Targets of this class count for nothing.</param>
            /// <param name="reduction">What becomes of the terms.</param>
            /// <param name="label_smoothing">How much of the target is spread evenly over all classes.</param>
            public static Tensor cross_entropy(Tensor input, Tensor target, Tensor? weight = null, long ignore_index = -100, Reduction reduction = Reduction.Mean, double label_smoothing = 0) =>
                Tensor.Made(LibTorch.lt_cross_entropy(input.Handle, target.Handle, Tensor.HandleOf(weight), (long)reduction, ignore_index, label_smoothing), input, target, weight);

            /// <summary>Minus the input at the target class, -100 ignored. Input [N, C, ...], target [N, ...] int64.</summary>
            public static Tensor nll_loss(Tensor input, Tensor target, Tensor? weight = null, Reduction reduction = Reduction.Mean) =>
                Tensor.Made(LibTorch.lt_nll_loss(input.Handle, target.Handle, Tensor.HandleOf(weight), (long)reduction, -100), input, target, weight);

            public static Tensor mse_loss(Tensor input, Tensor target, Reduction reduction = Reduction.Mean) =>
                Tensor.Made(LibTorch.lt_mse_loss(input.Handle, target.Handle, (long)reduction), input, target);

            public static Tensor l1_loss(Tensor input, Tensor target, Reduction reduction = Reduction.Mean) =>
                Tensor.Made(LibTorch.lt_l1_loss(input.Handle, target.Handle, (long)reduction), input, target);

            public static Tensor binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight = null, Reduction reduction = Reduction.Mean, Tensor? pos_weights = null) =>
                Tensor.Made(LibTorch.lt_binary_cross_entropy_with_logits(input.Handle, target.Handle, Tensor.HandleOf(weight), Tensor.HandleOf(pos_weights), (long)reduction), input, target, weight);
        }
    }
}
