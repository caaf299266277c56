using System.Runtime.Intrinsics.X86;
using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>Processes whose kernel library is missing, of another version, or told which build to use: they go on without it and say so once, or refuse in words.</summary>
public sealed class KernelProcessTests : IDisposable
{
    private const string FileName = "libMemoryGenKernels.so";
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_missing_library_is_done_without() =>
        DoneWithout(Run("MEMORY_GEN_NATIVE", Path.GetDirectoryName(folder.File(FileName))!), "the kernel library is missing", folder.File(FileName), "is not there");

    [Fact]
    public void A_file_that_is_no_library_is_done_without()
    {
        File.WriteAllText(folder.File(FileName), "text");
        DoneWithout(Run("MEMORY_GEN_NATIVE", Path.GetDirectoryName(folder.File(FileName))!), "cannot be loaded", folder.File(FileName));
    }

    [Fact]
    public void A_library_of_another_version_is_done_without()
    {
        string other = Path.Combine(AppContext.BaseDirectory, "other-version");
        DoneWithout(Run("MEMORY_GEN_NATIVE", other), Path.Combine(other, FileName), "speaks version 1000000 of the kernel interface, expected");
    }

    [Fact]
    public void A_build_that_there_is_not_is_done_without() => DoneWithout(Run("MEMORY_GEN_ISA", "nonesuch"), "has no build 'nonesuch' for this CPU");

    [Theory]
    [InlineData("abc")]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("99999999999")]
    public void A_number_of_threads_that_is_none_is_named(string threads) => DoneWithout(Run("MEMORY_GEN_THREADS", threads), $"MEMORY_GEN_THREADS is '{threads}', expected a whole number of threads");

    [Theory]
    [InlineData("baseline")]
    [InlineData("avx2")]
    [InlineData("avx512")]
    [InlineData("amx")]
    public void A_build_can_be_forced(string isa)
    {
        bool wide = Avx512BW.IsSupported && Avx512DQ.VL.IsSupported;
        bool there = isa switch
        {
            "baseline" => true,
            "avx2" => Avx2.IsSupported && Fma.IsSupported && Bmi2.IsSupported,
            "avx512" => wide,
            _ => wide && new[] { "avx512_bf16", "amx_tile", "amx_bf16" }.All(File.ReadAllText("/proc/cpuinfo").Split(' ', '\n').Contains),
        };
        string[] lines = Run("MEMORY_GEN_ISA", isa);
        if (there) Assert.Equal([$"isa {isa}", "Native right", "Native right", "Native right"], lines);
        else DoneWithout(lines, $"has no build '{isa}' for this CPU");
    }

    /// <summary>What is asked of nobody runs otherwise, and the reason is said once; what is asked for is refused with the same reason.</summary>
    private static void DoneWithout(string[] lines, params string[] reasons)
    {
        Assert.Equal(5, lines.Length);
        Assert.Equal("isa none", lines[0]);
        Assert.StartsWith("note linear_attention runs as tensor operations: ", lines[1], StringComparison.Ordinal);
        Assert.Equal(["Chunked right", "Chunked right"], lines[2..4]);
        Assert.StartsWith("refused linear_attention: the form Native was asked for, but ", lines[4], StringComparison.Ordinal);
        foreach (string reason in reasons)
        {
            Assert.Contains(reason, lines[1]);
            Assert.Contains(reason, lines[4]);
        }
    }

    private static string[] Run(string variable, string value)
    {
        (int code, string output, string errors) = ChildProcess.Run(
            typeof(KernelChild).Assembly, [("MEMORY_GEN_NATIVE", null), ("MEMORY_GEN_ISA", null), ("MEMORY_GEN_THREADS", null), ("MEMORY_GEN_FORM", null), (variable, value)], "kernels");
        Assert.True(code == 0, $"the process ended with code {code}: {errors}");
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
