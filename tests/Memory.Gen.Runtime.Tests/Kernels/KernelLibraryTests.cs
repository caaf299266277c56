using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>A library that cannot be used is explained: what was found, what was expected, what to do.</summary>
public sealed class KernelLibraryTests : IDisposable
{
    private const string FileName = KernelLibrary.CpuFile;
    private readonly TemporaryFolder folder = new();

    private string Root => Path.GetDirectoryName(folder.File(FileName))!;

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_missing_file_is_named()
    {
        DeviceLibrary.Opened opened = DeviceLibrary.Open([Root], "cpu", FileName, KernelLibrary.AbiVersion);
        Assert.Contains(folder.File(FileName), opened.Problem);
        Assert.Contains("Run ./build.sh test once", opened.Problem);
        Assert.Equal(0, opened.Handle);
    }

    [Fact]
    public void A_file_that_is_no_library_is_named()
    {
        File.WriteAllText(folder.File(FileName), "text");
        Assert.Contains("cannot be loaded", DeviceLibrary.Open([Root], "cpu", FileName, KernelLibrary.AbiVersion).Problem);
    }

    [Fact]
    public void A_library_of_another_version_is_not_used()
    {
        DeviceLibrary.Opened opened = DeviceLibrary.Open([AppContext.BaseDirectory], "cpu", FileName, KernelLibrary.AbiVersion + 1);
        Assert.Equal(0, opened.Handle);
        Assert.Contains($"version {KernelLibrary.AbiVersion}", opened.Problem);
        Assert.Contains($"expected {KernelLibrary.AbiVersion + 1}", opened.Problem);
    }

    [Fact]
    public void The_library_of_another_device_is_not_used()
    {
        File.Copy(Path.Combine(AppContext.BaseDirectory, FileName), folder.File(KernelLibrary.CudaFile));
        DeviceLibrary.Opened opened = DeviceLibrary.Open([Root], "cuda", KernelLibrary.CudaFile, KernelLibrary.AbiVersion);
        Assert.Equal(0, opened.Handle);
        Assert.Contains("is the kernel library for 'cpu', expected the one for 'cuda'", opened.Problem);
        Assert.Contains("./build.sh cuda", opened.Problem);
    }

    [Fact]
    public void A_missing_library_for_cuda_is_built_by_its_own_command()
    {
        string problem = DeviceLibrary.Open([Root], "cuda", KernelLibrary.CudaFile, KernelLibrary.AbiVersion).Problem!;
        Assert.Contains("the CUDA kernel library is missing", problem);
        Assert.Contains(folder.File(KernelLibrary.CudaFile), problem);
        Assert.Contains("./build.sh cuda", problem);
    }

    [Theory]
    [InlineData(ScalarType.Float32, null)]
    [InlineData(ScalarType.BFloat16, "the kernels compute in Float32, and the tensors are BFloat16")]
    [InlineData(ScalarType.Float64, "the kernels compute in Float32, and the tensors are Float64")]
    public void The_cpu_takes_float32(ScalarType dtype, string? refusal) => Assert.Equal(refusal, KernelLibrary.Refusal(dtype, CPU));

    [Theory]
    [InlineData(ScalarType.Float32, null)]
    [InlineData(ScalarType.BFloat16, null)]
    [InlineData(ScalarType.Float64, "the CUDA kernels compute in Float32 and BFloat16, and the tensors are Float64")]
    public void Cuda_takes_bfloat16_too(ScalarType dtype, string? refusal) => Assert.Equal(refusal, CudaKernelChild.Emulated.Refusal(dtype));

    [Fact]
    public void Other_devices_have_no_library()
    {
        Assert.Contains("the tensors are on META", KernelLibrary.Refusal(ScalarType.Float32, new Device(DeviceType.META)));
        DeviceLibrary cuda = KernelLibrary.Cuda; // there where ./build.sh cuda has run, and usable beside a GPU and with these sources
        string expected = cuda.Path is null ? "the CUDA kernel library is missing" : cuda.Problem ?? "no code for CUDA device 99";
        Assert.Contains(expected, KernelLibrary.Refusal(ScalarType.Float32, new Device(DeviceType.CUDA, 99)));
    }

    [Fact]
    public void Every_cuda_device_is_asked_for_itself()
    {
        Assert.Null(CudaKernelChild.Emulated.Refusal(0));
        Assert.Contains("no code for CUDA device 1", CudaKernelChild.Emulated.Refusal(1));
    }

    [Fact]
    public void The_first_folder_that_has_it_decides()
    {
        DeviceLibrary.Opened opened = DeviceLibrary.Open([Root, AppContext.BaseDirectory], "cpu", FileName, KernelLibrary.AbiVersion);
        Assert.Null(opened.Problem);
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, FileName), opened.Path);
    }
}
