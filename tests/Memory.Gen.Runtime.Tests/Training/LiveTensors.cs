using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>The number of tensors alive, after those that nobody holds any more are gone.</summary>
internal static class LiveTensors
{
    public static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();

        // Handles that finalizers left are freed by the next operation.
        zeros(1).Dispose();
        return Tensor.TotalCount;
    }
}
