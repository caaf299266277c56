using System.Reflection;
using TorchSharp.Native;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>What TorchSharp.Lite asks of the libtorch that is loaded.</summary>
public sealed class OperatorNamesTests
{
    [Fact]
    public void Every_operator_that_is_called_by_name_exists()
    {
        string[] missing = typeof(Ops).GetFields(BindingFlags.Static | BindingFlags.NonPublic)
            .Select(each => (Op)each.GetValue(null)!)
            .Where(each => !each.Exists)
            .Select(each => each.Name)
            .ToArray();
        Assert.True(missing.Length == 0, "This libtorch lacks: " + string.Join(", ", missing));
    }

    [Fact]
    public void The_library_is_looked_for_in_every_folder_once()
    {
        string[] folders = [.. LibTorch.Folders().Select(folder => Path.GetFullPath(folder + "/"))];
        Assert.Contains(AppContext.BaseDirectory, folders);
        Assert.Equal(folders.Distinct(), folders);
    }

    [Fact]
    public void Every_import_is_exported()
    {
        nint library = System.Runtime.InteropServices.NativeLibrary.Load(LibTorch.Library, typeof(Op).Assembly, null);
        string[] missing = typeof(LibTorch).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
            .Where(each => each.IsDefined(typeof(System.Runtime.InteropServices.DllImportAttribute), false))
            .Select(each => each.Name)
            .Where(each => !System.Runtime.InteropServices.NativeLibrary.TryGetExport(library, each, out _))
            .ToArray();
        Assert.True(missing.Length == 0, "The native library lacks: " + string.Join(", ", missing));
    }
}
