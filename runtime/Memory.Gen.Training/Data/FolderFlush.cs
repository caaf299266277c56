using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Memory.Gen.Training.Data;

/// <summary>Makes what was renamed in a folder last through a power cut.</summary>
internal static class FolderFlush
{
    /// <summary>Flushes a folder's entries to the disk; on Windows, where renames are journalled, nothing is left to do.</summary>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = open(folder, 0);
        if (descriptor < 0) return;
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        _ = fsync(descriptor);
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int fsync(int descriptor);
}
