using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class utils
        {
            /// <summary>Scales all gradients down together where their norm, taken as one vector, exceeds a bound.</summary>
            /// <param name="tensors">The parameters whose gradients count.</param>
            /// <param name="max_norm">The bound.</param>
            /// <param name="norm_type">The norm's p; infinity is the largest absolute value.</param>
            /// <returns>The norm before scaling. Reading it waits for the device.</returns>
            public static double clip_grad_norm_(IEnumerable<Parameter> tensors, double max_norm, double norm_type = 2)
            {
                using var noGrad = no_grad();
                using var scope = NewDisposeScope();
                List<Tensor> gradients = Gradients(tensors);
                if (gradients.Count == 0) return 0;
                Device device = gradients[0].device;
                Tensor[] norms = [.. gradients.Select(g => Norm(g, norm_type).to(ScalarType.Float64, device))];
                double total = Norm(stack(norms), norm_type).item<double>();
                double scale = max_norm / (total + 1e-6);
                if (scale < 1)
                    foreach (Tensor gradient in gradients) gradient.mul_(scale);
                return total;
            }

            public static void clip_grad_value_(IEnumerable<Parameter> tensors, double clip_value)
            {
                using var noGrad = no_grad();
                using var scope = NewDisposeScope();
                foreach (Tensor gradient in Gradients(tensors)) gradient.clamp_(min: -clip_value, max: clip_value);
            }

            /// <summary>All parameters in one vector, in order. Gradients flow through it.</summary>
            public static Tensor parameters_to_vector(IEnumerable<Parameter> tensors)
            {
                using var scope = NewDisposeScope();
                return cat(tensors.Select(t => t.reshape(-1)).ToList()).MoveToOuterDisposeScope();
            }

            /// <summary>Writes one vector's elements into the parameters, in order.</summary>
            public static void vector_to_parameters(Tensor vec, IEnumerable<Parameter> tensors)
            {
                using var noGrad = no_grad();
                using var scope = NewDisposeScope();
                List<Parameter> parameters = [.. tensors];
                long expected = parameters.Sum(p => p.NumberOfElements);
                if (vec.NumberOfElements != expected)
                    throw new ArgumentException($"The parameters have {expected} elements, the vector {vec.NumberOfElements}.", nameof(vec));
                long start = 0;
                foreach (Parameter parameter in parameters)
                {
                    parameter.copy_(vec.narrow(0, start, parameter.NumberOfElements).view_as(parameter));
                    start += parameter.NumberOfElements;
                }
            }

            private static List<Tensor> Gradients(IEnumerable<Parameter> tensors) => [.. tensors.Select(t => t.grad).OfType<Tensor>()];

            private static Tensor Norm(Tensor tensor, double p) => double.IsPositiveInfinity(p) ? tensor.abs().max() : tensor.norm((float)p);
        }
    }
}
