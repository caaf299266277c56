using System.Runtime.InteropServices;
using Memory.Gen.Runtime.Operators;
using TorchSharp;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>One operator of the kernel library: its functions, which all take one struct of arguments, and their scratch memory.</summary>
/// <param name="name">As in <c>memgen_&lt;name&gt;_forward</c>.</param>
internal sealed unsafe class Kernel(string name)
{
    private readonly delegate* unmanaged[Cdecl]<void*, int, long> workspaceSize =
        (delegate* unmanaged[Cdecl]<void*, int, long>)KernelLibrary.Export($"memgen_{name}_workspace_size");
    private readonly delegate* unmanaged[Cdecl]<void*, long> checkpointSize =
        (delegate* unmanaged[Cdecl]<void*, long>)KernelLibrary.Export($"memgen_{name}_checkpoint_size");
    private readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> forward =
        (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)KernelLibrary.Export($"memgen_{name}_forward");
    private readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> backward =
        (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)KernelLibrary.Export($"memgen_{name}_backward");

    /// <summary>Why tensors of this kind cannot be given to this kernel; null when they can.</summary>
    public string? Refusal(FrontDoor door) => Refusal(door.Dtype, door.Device.type);

    /// <summary>The same for sizes, of which only those in <paramref name="args"/> are read.</summary>
    public string? Refusal<TArgs>(FrontDoor door, in TArgs args) where TArgs : unmanaged
    {
        if (Refusal(door) is { } problem) return problem;
        fixed (TArgs* pointer = &args) return workspaceSize(pointer, 0) < 0 ? KernelLibrary.LastError() : null;
    }

    /// <summary>Bytes that forward leaves for backward.</summary>
    public long CheckpointBytes<TArgs>(in TArgs args) where TArgs : unmanaged
    {
        fixed (TArgs* pointer = &args) return checkpointSize(pointer);
    }

    public void Forward<TArgs>(in TArgs args) where TArgs : unmanaged
    {
        fixed (TArgs* pointer = &args) Run(pointer, 0, forward);
    }

    public void Backward<TArgs>(in TArgs args) where TArgs : unmanaged
    {
        fixed (TArgs* pointer = &args) Run(pointer, 1, backward);
    }

    private string? Refusal(torch.ScalarType dtype, DeviceType device) =>
        KernelLibrary.Refusal(dtype, device)
        ?? (forward == null || backward == null ? $"{KernelLibrary.Path} has no memgen_{name}_forward and _backward. Run ./build.sh once to build it again" : null);

    private void Run(void* args, int direction, delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> function)
    {
        KernelLibrary.FollowThreads();
        using var scratch = Scratch.Rent(workspaceSize(args, direction));
        if (function(args, scratch.Pointer, scratch.Bytes, null) != 0)
        {
            throw new InvalidOperationException($"The kernel library refused a call: {KernelLibrary.LastError()}");
        }
    }
}

/// <summary>Scratch memory of one call, aligned to 64 bytes. Each thread keeps one buffer, so that its pages need not be made anew.</summary>
internal readonly unsafe ref struct Scratch
{
    private const nuint Alignment = 64, LargestKept = 32 << 20;

    [ThreadStatic]
    private static Buffer? kept;

    private readonly Buffer buffer;

    private Scratch(Buffer buffer) => this.buffer = buffer;

    public void* Pointer => buffer.Pointer;

    public nuint Bytes => buffer.Bytes;

    public static Scratch Rent(long bytes)
    {
        nuint wanted = (nuint)Math.Max(bytes, 0);
        Buffer? own = kept;
        kept = null;
        if (own is not null && own.Bytes >= wanted) return new(own);
        own?.Dispose();
        return new(new Buffer(wanted));
    }

    public void Dispose()
    {
        if (kept is null && buffer.Bytes <= LargestKept) kept = buffer;
        else buffer.Dispose();
    }

    private sealed class Buffer(nuint bytes) : IDisposable
    {
        public void* Pointer { get; private set; } = NativeMemory.AlignedAlloc(Math.Max(bytes, Alignment), Alignment);

        public nuint Bytes => bytes;

        ~Buffer() => Dispose();

        public void Dispose()
        {
            NativeMemory.AlignedFree(Pointer);
            Pointer = null;
            GC.SuppressFinalize(this);
        }
    }
}
