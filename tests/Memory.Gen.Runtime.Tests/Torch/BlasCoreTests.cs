using System.Runtime.Intrinsics.X86;
using Memory.Gen.Runtime.Kernels;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class BlasCoreTests
{
    [Fact]
    public void OpenBlas_runs_the_core_that_was_chosen()
    {
        using var scope = NewDisposeScope();
        _ = ones(8, 8).matmul(ones(8, 8));
        if (BlasCore.Chosen is { } chosen && BlasCore.Running is { } running)
            Assert.Equal(chosen, running, ignoreCase: true);
    }

    [Fact]
    public void A_cpu_with_avx512_runs_kernels_that_use_it()
    {
        bool wide = Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512CD.IsSupported;
        bool kept = Environment.GetEnvironmentVariable("MEMORY_GEN_BLAS_CORE") == "keep";
        string[] expected = wide && !kept ? ["SKYLAKEX", "COOPERLAKE", "SAPPHIRERAPIDS"] : [BlasCore.Inherited?.ToUpperInvariant() ?? ""];
        Assert.Contains(BlasCore.Chosen?.ToUpperInvariant() ?? "", expected);
    }
}
