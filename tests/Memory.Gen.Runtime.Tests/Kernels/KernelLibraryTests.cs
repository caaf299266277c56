using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Tests.Files;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>A library that cannot be used is explained: what was found, what was expected, what to do.</summary>
public sealed class KernelLibraryTests : IDisposable
{
    private const string FileName = "libMemoryGenKernels.so";
    private readonly TemporaryFolder folder = new();

    private string Root => Path.GetDirectoryName(folder.File(FileName))!;

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_missing_file_is_named()
    {
        KernelLibrary.Opened opened = KernelLibrary.Open([Root], KernelLibrary.AbiVersion);
        Assert.Contains(folder.File(FileName), opened.Problem);
        Assert.Contains("./build.sh", opened.Problem);
        Assert.Equal(0, opened.Handle);
    }

    [Fact]
    public void A_file_that_is_no_library_is_named()
    {
        File.WriteAllText(folder.File(FileName), "text");
        Assert.Contains("cannot be loaded", KernelLibrary.Open([Root], KernelLibrary.AbiVersion).Problem);
    }

    [Fact]
    public void A_library_of_another_version_is_not_used()
    {
        KernelLibrary.Opened opened = KernelLibrary.Open([AppContext.BaseDirectory], KernelLibrary.AbiVersion + 1);
        Assert.Equal(0, opened.Handle);
        Assert.Contains($"version {KernelLibrary.AbiVersion}", opened.Problem);
        Assert.Contains($"expected {KernelLibrary.AbiVersion + 1}", opened.Problem);
    }

    [Fact]
    public void The_first_folder_that_has_it_decides()
    {
        KernelLibrary.Opened opened = KernelLibrary.Open([Root, AppContext.BaseDirectory], KernelLibrary.AbiVersion);
        Assert.Null(opened.Problem);
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, FileName), opened.Path);
    }
}
