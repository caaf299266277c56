using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Memory.Gen.Training.Data;

/// <summary>Files that are there whole or not at all, whenever the process or the machine stops.</summary>
internal static class DurableFile
{
    /// <summary>Writes under a temporary name, flushes to the disk, then renames.</summary>
    /// <param name="path">The file; one that exists is replaced.</param>
    /// <param name="bytes">Its whole content.</param>
    /// <exception cref="IOException">It could not be written, for instance for want of space; a file that was there is as it was.</exception>
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        string temporary = path + ".tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            try { File.Delete(temporary); }
            catch (Exception second) when (second is IOException or UnauthorizedAccessException) { }
            throw new IOException($"{path} could not be written ({e.Message}); free some space or choose another folder. Nothing saved before was touched.", e);
        }
        FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Makes renames in a folder durable. Elsewhere than on Unix the file system does so itself.</summary>
    public static void FlushFolder(string folder)
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
