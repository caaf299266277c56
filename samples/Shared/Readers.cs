using System.Runtime.InteropServices;

namespace Samples;

/// <summary>Whoever reads what this program writes.</summary>
internal static class Readers
{
    private const int Output = 1;

    /// <summary>
    /// Whether nobody can read any more: the pipe, or the terminal, has no other end, or there is none. .NET takes what such a pipe
    /// refuses for written and says nothing, so the system is asked.
    /// </summary>
    public static bool AreGone
    {
        get
        {
            if (OperatingSystem.IsWindows()) return false;
            // No event is asked for, so that only an error or a hang-up is one.
            var output = new Polled(Output, 0, 0);
            return Poll(ref output, 1, 0) > 0;
        }
    }

    [DllImport("libc", EntryPoint = "poll")]
    private static extern int Poll(ref Polled file, nuint count, int milliseconds);

    private record struct Polled(int File, short Asked, short Found);
}
