using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Runtime.Tests.Operators;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>The managed side of the CUDA kernels without a device: the emulated library behind the operators, forward and backward.</summary>
public sealed class CudaKernelTests
{
    [Theory]
    [InlineData("f32", "long_sequence", "titans_residual", "cross_entropy", "squared_norm", "adamw", "titans_step", "slots_are_causal")]
    [InlineData("bf16", "long_sequence", "titans_residual", "cross_entropy", "step", "titans_step")]
    public void Results_are_within_the_limits(string dtype, params string[] others)
    {
        (int code, string output, string errors) = ChildProcess.Run(typeof(CudaKernelTests).Assembly, [("MEMORY_GEN_FORM", null), ("MEMORY_GEN_NATIVE", null)], "cuda-kernels", dtype);
        Assert.True(code == 0, errors);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.StartsWith("ok ", line, StringComparison.Ordinal));
        Assert.All([.. CudaOperators.Names, .. others], name => Assert.Contains(lines, line => line.StartsWith($"ok {name}@", StringComparison.Ordinal)));
    }
}
