namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>A differentiable function with a backward of its own.</summary>
        /// <remarks>
        /// Inputs are the tensors among the arguments themselves, not those inside lists. A second derivative is refused with
        /// an error. An exception in backward surfaces from the call that ran it.
        /// </remarks>
        public abstract class Function<T> where T : Function<T>, new()
        {
            protected Function()
            {
            }

            /// <summary>The function's name in errors and anomaly reports.</summary>
            public abstract string Name { get; }

            internal abstract List<Tensor> Forward(AutogradContext ctx, object[] vars);
            internal abstract List<Tensor> Backward(AutogradContext ctx, List<Tensor> grads);

            public static List<Tensor> apply_internal(params object[] vars)
            {
                var function = new T();
                var ctx = new AutogradContext();
                bool recorded = is_grad_enabled() && vars.Any(each => each is Tensor { requires_grad: true });
                List<Tensor> outputs;
                using (no_grad())
                    outputs = Distinct(function.Forward(ctx, vars), vars);
                if (recorded)
                    ManagedNodes.Attach(function.Name, vars, outputs, ctx, function.Backward);
                else
                    ctx.Dispose();
                return outputs;
            }

            // An output gets a graph of its own, so it must not be the very object that came in.
            private static List<Tensor> Distinct(List<Tensor> outputs, object[] vars)
            {
                var seen = new HashSet<object>(vars, ReferenceEqualityComparer.Instance);
                return outputs.ConvertAll(each => seen.Add(each) ? each : each.alias());
            }
        }

        /// <summary>A function with one output.</summary>
        public abstract class SingleTensorFunction<T> : Function<T> where T : SingleTensorFunction<T>, new()
        {
            protected SingleTensorFunction()
            {
            }

            /// <summary>Runs without recording gradients.</summary>
            public abstract Tensor forward(AutogradContext ctx, params object[] vars);

            /// <summary>One gradient for each argument of forward, in order; null for arguments that have none.</summary>
            public abstract List<Tensor> backward(AutogradContext ctx, Tensor grad_output);

            public static Tensor apply(params object[] vars) => apply_internal(vars)[0];

            internal override List<Tensor> Forward(AutogradContext ctx, object[] vars) => [forward(ctx, vars)];
            internal override List<Tensor> Backward(AutogradContext ctx, List<Tensor> grads) => backward(ctx, grads[0]);
        }

        /// <summary>A function with any number of outputs.</summary>
        public abstract class MultiTensorFunction<T> : Function<T> where T : MultiTensorFunction<T>, new()
        {
            protected MultiTensorFunction()
            {
            }

            /// <summary>Runs without recording gradients.</summary>
            public abstract List<Tensor> forward(AutogradContext ctx, params object[] vars);

            /// <summary>One gradient for each argument of forward, in order; null for arguments that have none.</summary>
            public abstract List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs);

            public static List<Tensor> apply(params object[] vars) => apply_internal(vars);

            internal override List<Tensor> Forward(AutogradContext ctx, object[] vars) => forward(ctx, vars);
            internal override List<Tensor> Backward(AutogradContext ctx, List<Tensor> grads) => backward(ctx, grads);
        }
    }
}
