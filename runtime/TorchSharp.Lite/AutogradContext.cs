namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>What a function's forward leaves for its backward.</summary>
        public class AutogradContext : IDisposable
        {
            private readonly Dictionary<string, object> data = [];
            private readonly List<Tensor> constant = [];
            private List<Tensor> saved = [];

            internal AutogradContext()
            {
            }

            /// <summary>Whether backward gets zeros for outputs whose gradient is not known; null otherwise.</summary>
            public bool MaterializeGrads { get; private set; } = true;

            /// <summary>Keeps inputs and outputs for backward. Tensors that are neither may be kept too.</summary>
            public void save_for_backward(List<Tensor> tensors)
            {
                ArgumentNullException.ThrowIfNull(tensors);
                saved = [.. tensors];
            }

            /// <summary>What was saved, in the same order; the tensors live until backward returns.</summary>
            public List<Tensor> get_saved_variables() => saved;

            /// <summary>Keeps anything that is no tensor. A tensor kept here is not watched for changes, and an output kept here keeps its graph alive for ever.</summary>
            public void save_data(string key, object value) => data[key] = value;

            public object get_data(string key) => data.TryGetValue(key, out object? value)
                ? value
                : throw new KeyNotFoundException($"Nothing was saved under '{key}'; saved: {(data.Count == 0 ? "nothing" : string.Join(", ", data.Keys))}.");

            /// <summary>Not supported: a function must return new tensors instead of changing its inputs.</summary>
            public void mark_dirty(List<Tensor> tensors) =>
                throw new NotSupportedException("A function that changes its inputs in place is not supported; return new tensors.");

            /// <summary>Names outputs through which no gradient flows.</summary>
            public void mark_non_differentiable(List<Tensor> tensors) => constant.AddRange(tensors);

            public void set_materialize_grads(bool value) => MaterializeGrads = value;

            internal bool IsConstant(Tensor output) => constant.Contains(output, ReferenceEqualityComparer.Instance);

            internal Tensor[] TakeSaved()
            {
                Tensor[] taken = saved.ToArray();
                saved = [];
                constant.Clear();
                return taken;
            }

            internal void Lend(List<Tensor> tensors) => saved = tensors;

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            protected virtual void Dispose(bool disposing)
            {
                saved = [];
                data.Clear();
            }
        }
    }
}
