using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp.Native;

/// <summary>Turns libtorch's last error into the exception TorchSharp's users catch.</summary>
internal static unsafe class Errors
{
    /// <summary>Throws unless a call without a result returned success.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Check(int status)
    {
        if (status < 0)
            Throw();
    }

    /// <summary>Throws unless a count or an answer came back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long Check(long answer)
    {
        if (answer < 0)
            Throw();
        return answer;
    }

    [DoesNotReturn]
    internal static void Throw() =>
        throw Last() ?? new ExternalException("libtorch reported a failure without a message.");

    /// <summary>The thread's last error, or null. Message is libtorch's text, Data["libtorch"] the same with its backtrace.</summary>
    internal static ExternalException? Last()
    {
        byte* text = LibTorch.THSTorch_get_and_reset_last_err();
        if (text is null)
            return null;
        string message = Marshal.PtrToStringUTF8((nint)text)!;
        if (LibTorch.CudaProblem is { } problem && message.Contains("CUDA", StringComparison.OrdinalIgnoreCase))
            message += $" The CUDA part of this libtorch could not be loaded: {problem}";
        var error = new ExternalException(message, ManagedNodes.Behind(message));
        error.Data["libtorch"] = Marshal.PtrToStringUTF8((nint)LibTorch.lt_last_error_full());
        return error;
    }
}
