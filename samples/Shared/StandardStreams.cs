using System.Runtime.InteropServices;

namespace Samples;

/// <summary>What is at the other end of this program's input and output.</summary>
internal static class StandardStreams
{
    private const int Input = 0, Output = 1, GetFlags = 1, ClosedByExec = 1; // of fcntl: F_GETFD, FD_CLOEXEC

    /// <summary>
    /// Whether the program was started without an output, as by <c>&gt;&amp;-</c>. Its number is then that of a file that .NET has opened
    /// since, which it keeps from programs that it starts; what a program is started with was not kept from it.
    /// </summary>
    public static bool HasNoOutput => WasNever(Output);

    /// <summary>Whether the program was started without an input, as by <c>&lt;&amp;-</c>. What is read there never comes to an end, or is of a file that .NET has opened since.</summary>
    public static bool HasNoInput => WasNever(Input);

    /// <summary>
    /// Whether nobody can read any more: the pipe, or the terminal, has no other end, or there is none. .NET takes what such a pipe
    /// refuses for written and says nothing, so the system is asked.
    /// </summary>
    public static bool NobodyReads
    {
        get
        {
            if (OperatingSystem.IsWindows()) return false;
            // No event is asked for, so that only an error or a hang-up is one.
            var output = new Polled(Output, 0, 0);
            return Poll(ref output, 1, 0) > 0;
        }
    }

    private static bool WasNever(int file) => !OperatingSystem.IsWindows() && Control(file, GetFlags) is -1 or ClosedByExec;

    [DllImport("libc", EntryPoint = "poll")]
    private static extern int Poll(ref Polled file, nuint count, int milliseconds);

    [DllImport("libc", EntryPoint = "fcntl")]
    private static extern int Control(int file, int command);

    private record struct Polled(int File, short Asked, short Found);
}
