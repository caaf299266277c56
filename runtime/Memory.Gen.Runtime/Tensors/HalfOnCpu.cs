using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>Float16 on the CPU, which libtorch stores and converts everywhere, but computes in only from some version on.</summary>
internal static class HalfOnCpu
{
    // Asked of libtorch itself: what it lacks depends on its build too.
    private static readonly Lazy<string?> Refusal = new(() =>
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        try
        {
            Tensor x = ones([2, 2], dtype: ScalarType.Float16, device: CPU);
            nn.functional.linear(x, x).silu();
            return null;
        }
        catch (ExternalException refused)
        {
            return refused.Message.Split('\n')[0];
        }
    });

    /// <summary>Refuses it where libtorch would, in the middle of a call and in words of its own.</summary>
    /// <param name="name">The operator, layer or model.</param>
    /// <param name="what">What the tensor is to it: "x is".</param>
    /// <param name="tensor">An input or a weight.</param>
    /// <exception cref="NotSupportedException">It is Float16 on the CPU, and this libtorch does not compute in it.</exception>
    public static void Refuse(string name, string what, Tensor tensor)
    {
        if (tensor.dtype == ScalarType.Float16 && tensor.device_type == DeviceType.CPU && Refusal.Value is { } reason)
            throw new NotSupportedException($"{name}: {what} Float16 on the CPU, where this libtorch does not compute in it ({reason}); expected Float32, Float64 or BFloat16. Convert with to(ScalarType.Float32), for example, or move to CUDA, where Float16 is computed in.");
    }
}
