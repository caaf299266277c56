using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    // Sets a mode of this thread until it is disposed.
    private sealed class GradMode : IDisposable
    {
        private readonly int before = LibTorch.lt_grad_enabled();
        private bool left;

        internal GradMode(bool enabled) => LibTorch.lt_set_grad_enabled(enabled ? 1 : 0);

        public void Dispose()
        {
            if (!left)
                LibTorch.lt_set_grad_enabled(before);
            left = true;
        }
    }

    private sealed class InferenceMode : IDisposable
    {
        private nint guard;

        internal InferenceMode(bool enabled)
        {
            guard = LibTorch.lt_inference_enter(enabled ? 1 : 0);
            if (guard == 0)
                Errors.Throw();
        }

        public void Dispose()
        {
            if (guard != 0)
                LibTorch.lt_inference_leave(guard);
            guard = 0;
        }
    }

    /// <summary>No gradients are recorded on this thread until the result is disposed, on the same thread.</summary>
    public static IDisposable no_grad() => new GradMode(false);
    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);
    public static IDisposable set_grad_enabled(bool mode = true) => new GradMode(mode);
    public static bool is_grad_enabled() => LibTorch.lt_grad_enabled() != 0;
    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);
    public static bool is_inference_mode_enabled() => LibTorch.lt_inference_enabled() != 0;

    public partial class Tensor
    {
        public void backward() => autograd.backward([this]);

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.backward([this], grad_tensors, retain_graph, create_graph, inputs);
    }

    public static partial class autograd
    {
        /// <summary>
        /// Gradients of the sum of outputs with respect to inputs, without touching any leaf's grad; an invalid tensor for an input
        /// that nothing depends on. What is to be differentiated again takes both, create_graph and retain_graph.
        /// </summary>
        public static unsafe IList<Tensor> grad(IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor>? grad_outputs = null, bool retain_graph = false, bool create_graph = false, bool allow_unused = false)
        {
            nint[] roots = Tensor.HandlesOf(outputs), leaves = Tensor.HandlesOf(inputs), seeds = Tensor.HandlesOf(grad_outputs ?? []);
            long count;
            fixed (nint* r = roots, l = leaves, s = seeds)
            {
                count = LibTorch.lt_grad(r, roots.Length, l, leaves.Length, s, seeds.Length,
                    retain_graph ? 1 : 0, create_graph ? 1 : 0, allow_unused ? 1 : 0);
            }
            GC.KeepAlive(outputs);
            GC.KeepAlive(inputs);
            GC.KeepAlive(grad_outputs);
            return Array.ConvertAll(Tensor.TakeList(count), each => each ?? Tensor.Undefined());
        }

        /// <summary>Adds to the grad of every leaf (or of inputs) the gradient of the sum of tensors.</summary>
        public static unsafe void backward(IList<Tensor> tensors, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null)
        {
            nint[] roots = Tensor.HandlesOf(tensors), seeds = Tensor.HandlesOf(grad_tensors ?? []), leaves = Tensor.HandlesOf(inputs ?? []);
            int status;
            fixed (nint* r = roots, s = seeds, l = leaves)
            {
                status = LibTorch.lt_backward(r, roots.Length, s, seeds.Length,
                    retain_graph is { } keep ? keep ? 1 : 0 : -1, create_graph ? 1 : 0, l, leaves.Length);
            }
            GC.KeepAlive(tensors);
            GC.KeepAlive(grad_tensors);
            GC.KeepAlive(inputs);
            Errors.Check(status);
        }

        public static void backward(Tensor tensor, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        public static void backward(Tensor tensor, Tensor grad_tensor, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], [grad_tensor], retain_graph, create_graph, inputs);

        /// <summary>Names the forward operation behind a failing backward until the result is disposed; slow.</summary>
        public static AnomalyMode detect_anomaly(bool check_nan = true) => new(true, check_nan);
        public static AnomalyMode set_detect_anomaly(bool mode, bool check_nan = true) => new(mode, check_nan);
    }
}

/// <summary>Anomaly detection, set until it is disposed.</summary>
public class AnomalyMode : IDisposable
{
    private readonly bool enabledBefore = IsEnabled;
    private readonly bool checksBefore = ShouldCheckNaN;

    public AnomalyMode(bool enabled, bool check_nan = true) => LibTorch.lt_set_anomaly(enabled ? 1 : 0, check_nan ? 1 : 0);

    public static bool IsEnabled => LibTorch.lt_anomaly_enabled() != 0;
    public static bool ShouldCheckNaN => LibTorch.lt_anomaly_checks_nan() != 0;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => LibTorch.lt_set_anomaly(enabledBefore ? 1 : 0, checksBefore ? 1 : 0);
}
