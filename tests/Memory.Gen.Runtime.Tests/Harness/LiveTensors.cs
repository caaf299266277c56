using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Harness;

/// <summary>The number of tensors alive, after those that nobody holds any more are gone.</summary>
internal static class LiveTensors
{
    /// <summary>
    /// Objects without a tensor in the innermost scope. TorchSharp makes one for every gradient that does not arrive at a function
    /// with several outputs, and <c>Tensor.TotalCount</c> never forgets it.
    /// </summary>
    public static int WithoutTensor() => CurrentDisposeScope!.DisposablesView.OfType<Tensor>().Count(each => each.IsInvalid);

    /// <summary>The same of one backward pass of a model.</summary>
    public static int WithoutTensor(IMemoryModel model)
    {
        using var scope = NewDisposeScope();
        using MemoryState state = model.NewState(1);
        model.Prefill(zeros(1, 8, dtype: ScalarType.Int64), state).sum().backward();
        return WithoutTensor();
    }

    public static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();

        // Handles that finalizers left are freed by the next operation.
        zeros(1).Dispose();
        return Tensor.TotalCount;
    }

    /// <summary>A step leaves as many as it found, from the second on.</summary>
    public static void AssertUnchanged(Action step)
    {
        void Scoped()
        {
            using var inner = NewDisposeScope();
            step();
        }

        Scoped();
        long live = Count();
        for (int i = 0; i < 3; i++) Scoped();
        Assert.Equal(live, Tensor.TotalCount);
    }
}
