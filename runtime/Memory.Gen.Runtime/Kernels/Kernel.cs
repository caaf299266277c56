using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>One operator of the kernel libraries: its functions, which all take one struct of arguments, and their scratch memory.</summary>
/// <param name="name">As in <c>memgen_&lt;name&gt;_forward</c>.</param>
/// <param name="onCuda">Whether the library for CUDA has it too.</param>
/// <param name="onlyForward">Whether its gradients are the business of other kernels.</param>
internal sealed unsafe class Kernel(string name, bool onCuda = true, bool onlyForward = false)
{
    private readonly Lazy<Functions> cpu = new(() => new(KernelLibrary.Cpu, name)), cuda = new(() => new(KernelLibrary.Cuda, name));

    /// <summary>Why tensors of this kind and such sizes cannot be given to this kernel; null when they can.</summary>
    /// <param name="dtype">Of inputs and outputs.</param>
    /// <param name="device">Where they lie.</param>
    /// <param name="args">Of which only the header and the sizes are read.</param>
    public string? Refusal<TArgs>(ScalarType dtype, Device device, in TArgs args) where TArgs : unmanaged
    {
        // First: who builds the library that is missing would not have it either.
        if (!onCuda && device.type == DeviceType.CUDA) return "there is no CUDA kernel for it";
        if (KernelLibrary.Refusal(dtype, device) is { } problem) return problem;
        Functions functions = On(device.type);
        if (!AreThere(functions)) return $"{functions.Library.Path} has no memgen_{name}_forward{(onlyForward ? "" : " and _backward")}. Run {functions.Library.BuildCommand} once to build it again";
        fixed (TArgs* pointer = &args) return functions.WorkspaceSize(pointer, 0) < 0 ? functions.Library.LastError() : null;
    }

    /// <summary>Whether the library for the CPU, which is loaded, has this kernel for such sizes.</summary>
    /// <param name="args">Of which only the header and the sizes are read.</param>
    /// <param name="workspace">For <see cref="Run{TArgs}"/>.</param>
    public bool Serves<TArgs>(in TArgs args, out long workspace) where TArgs : unmanaged
    {
        workspace = -1;
        if (!AreThere(cpu.Value)) return false;
        KernelLibrary.FollowThreads(); // each of them has a part of the workspace
        fixed (TArgs* pointer = &args) workspace = cpu.Value.WorkspaceSize(pointer, 0);
        return workspace >= 0;
    }

    /// <summary>Runs on the CPU what <see cref="Serves"/> was asked about.</summary>
    /// <param name="args">The call.</param>
    /// <param name="workspace">Bytes of it.</param>
    public void Run<TArgs>(in TArgs args, long workspace) where TArgs : unmanaged
    {
        using var scratch = Scratch.Rent(workspace);
        fixed (TArgs* pointer = &args)
        {
            if (cpu.Value.Forward(pointer, scratch.Pointer, scratch.Bytes, null) != 0) throw Refused(cpu.Value.Library);
        }
    }

    /// <summary>Bytes that forward leaves for backward.</summary>
    /// <param name="args">The sizes.</param>
    /// <param name="on">A tensor on the device.</param>
    public long CheckpointBytes<TArgs>(in TArgs args, Tensor on) where TArgs : unmanaged
    {
        fixed (TArgs* pointer = &args) return On(on.device_type).CheckpointSize(pointer);
    }

    /// <summary>Runs, or on CUDA queues on the default stream of the tensors' device, which is the one that torch uses.</summary>
    /// <param name="args">The call.</param>
    /// <param name="on">A tensor on the device.</param>
    public void Forward<TArgs>(in TArgs args, Tensor on) where TArgs : unmanaged
    {
        fixed (TArgs* pointer = &args) Run(pointer, 0, on);
    }

    /// <inheritdoc cref="Forward"/>
    public void Backward<TArgs>(in TArgs args, Tensor on) where TArgs : unmanaged
    {
        fixed (TArgs* pointer = &args) Run(pointer, 1, on);
    }

    /// <summary>Calls one of the library's functions with as much workspace as it wants.</summary>
    /// <param name="library">Whose function it is.</param>
    /// <param name="function">Takes arguments, workspace, its bytes and a stream.</param>
    /// <param name="args">Lives until the call returns.</param>
    /// <param name="bytes">Of workspace.</param>
    /// <param name="on">A tensor on the device, which is the library's current one.</param>
    public static void Call(DeviceLibrary library, delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> function, void* args, long bytes, Tensor on)
    {
        int status;
        if (on.device_type == DeviceType.CUDA)
        {
            // Freed for calls that are queued later, and so run later.
            using Tensor workspace = torch.empty([Math.Max(bytes, 0)], dtype: ScalarType.Byte, device: on.device);
            status = function(args, bytes > 0 ? KernelLibrary.Data(workspace) : null, (nuint)Math.Max(bytes, 0), null);
        }
        else
        {
            using var scratch = Scratch.Rent(bytes);
            status = function(args, scratch.Pointer, scratch.Bytes, null);
        }

        if (status != 0) throw Refused(library);
    }

    private static InvalidOperationException Refused(DeviceLibrary library) => new($"The kernel library refused a call: {library.LastError()}");

    private bool AreThere(Functions functions) => functions.WorkspaceSize != null && functions.Forward != null && (functions.Backward != null || onlyForward);

    private Functions On(DeviceType device) => device == DeviceType.CUDA ? cuda.Value : cpu.Value;

    private void Run(void* args, int direction, Tensor on)
    {
        Functions functions = On(on.device_type);
        using var current = functions.Library.Use(on);
        var function = direction == 0 ? functions.Forward : functions.Backward;
        if (on.device_type != DeviceType.CUDA) KernelLibrary.FollowThreads(); // each of them has a part of the workspace
        Call(functions.Library, function, args, functions.WorkspaceSize(args, direction), on);
    }

    /// <summary>The operator in one library.</summary>
    private sealed class Functions(DeviceLibrary library, string name)
    {
        public readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, int, long> WorkspaceSize =
            (delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, int, long>)library.Export($"memgen_{name}_workspace_size");

        public readonly delegate* unmanaged[Cdecl]<void*, long> CheckpointSize =
            (delegate* unmanaged[Cdecl]<void*, long>)library.Export($"memgen_{name}_checkpoint_size");

        public readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> Forward =
            (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)library.Export($"memgen_{name}_forward");

        public readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> Backward =
            (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)library.Export($"memgen_{name}_backward");

        public DeviceLibrary Library => library;
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
