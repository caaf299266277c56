using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>The kernel library of one device: loaded when an operator first asks, or not there and then said why.</summary>
/// <param name="device">What its <c>memgen_device</c> must say.</param>
/// <param name="fileName">Its file.</param>
/// <param name="folders">Where it is looked for, in order.</param>
internal sealed unsafe class DeviceLibrary(string device, string fileName, Func<IEnumerable<string>> folders)
{
    private const string Needs = "one of compute capability 8.0 or newer with 163 KiB of shared memory for a block (A100, H100)";

    private readonly Lazy<Opened> opened = new(() => Open(folders(), device, fileName, KernelLibrary.AbiVersion));
    private readonly ConcurrentDictionary<int, string?> builds = [];
    private nint useDevice;
    private int threads;

    /// <summary>Why operators do without it, with what to do; null when it is loaded.</summary>
    public string? Problem => opened.Value.Problem;

    /// <summary>The file that was loaded; null when none was.</summary>
    public string? Path => opened.Value.Path;

    /// <summary>The build that runs; null without the library.</summary>
    public string? Isa => opened.Value.Isa;

    /// <summary>What builds it.</summary>
    public string BuildCommand => Command(device);

    /// <summary>What it was loaded as; 0 when it is not.</summary>
    public nint Handle => opened.Value.Problem is null ? opened.Value.Handle : 0;

    private nint UseDevice => useDevice != 0 ? useDevice : useDevice = Export("memgen_use_device");

    /// <summary>Why tensors of this dtype cannot be given to it; null when they can.</summary>
    public string? Refusal(ScalarType dtype) =>
        Problem
        ?? (dtype == ScalarType.Float32 || (dtype == ScalarType.BFloat16 && device == "cuda") ? null
            : device == "cuda" ? $"the CUDA kernels compute in Float32 and BFloat16, and the tensors are {dtype}"
            : $"the kernels compute in Float32, and the tensors are {dtype}");

    /// <summary>Why tensors on the CUDA device of this number cannot be given to it; null when they can.</summary>
    public string? Refusal(int index) =>
        Problem ?? (builds.GetOrAdd(index, Build) is null or "none" ? $"{Path} has no code for CUDA device {index}: it needs {Needs}" : null);

    /// <summary>Makes the CUDA device of a tensor the current one of this thread until the result is disposed; nothing on the CPU.</summary>
    public CurrentDevice Use(Tensor on) => on.device_type == DeviceType.CUDA ? new(UseDevice, on.device_index) : default;

    /// <summary>An exported function; 0 when the library is not loaded or has no such function.</summary>
    public nint Export(string name) => Handle != 0 && NativeLibrary.TryGetExport(Handle, name, out nint address) ? address : 0;

    /// <summary>What was wrong in the last failing call of this thread.</summary>
    public string LastError() => Text(opened.Value.Handle, "memgen_last_error") ?? "";

    /// <summary>Lets it use <paramref name="wanted"/> threads of the CPU; a device has its own.</summary>
    public void UseThreads(int wanted)
    {
        if (device != "cpu" || wanted == threads) return;
        ((delegate* unmanaged[Cdecl]<int, int>)Export("memgen_set_threads"))(Math.Clamp(wanted, 1, 1024));
        threads = wanted;
    }

    /// <summary>Loads the library from the first folder that has it and checks that it can be used.</summary>
    public static Opened Open(IEnumerable<string> folders, string device, string fileName, int version)
    {
        var tried = new List<string>();
        foreach (string folder in folders)
        {
            string file = System.IO.Path.Combine(folder, fileName);
            if (!File.Exists(file))
            {
                tried.Add($"{file} is not there");
                continue;
            }

            try
            {
                return Check(file, NativeLibrary.Load(file), device, version);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                tried.Add($"{file} cannot be loaded: {e.Message.ReplaceLineEndings(" ")}");
            }
        }

        return new(0, null, null, $"the {(device == "cuda" ? "CUDA " : "")}kernel library is missing ({string.Join("; ", tried)}). Run {Command(device)} once to build it, or set MEMORY_GEN_NATIVE to its folder");
    }

    private string? Build(int index)
    {
        var use = (delegate* unmanaged[Cdecl]<int, int*, int>)UseDevice;
        int before;
        if (use(index, &before) != 0) return null;
        string? found = Text(opened.Value.Handle, "memgen_isa");
        use(before, null);
        return found;
    }

    private static Opened Check(string file, nint library, string device, int version)
    {
        if (!NativeLibrary.TryGetExport(library, "memgen_abi_version", out nint function))
        {
            return new(0, file, null, $"{file} is no kernel library: it has no memgen_abi_version. Run {Command(device)} once to build it");
        }

        int found = ((delegate* unmanaged[Cdecl]<int>)function)();
        if (found != version)
        {
            return new(0, file, null, $"{file} speaks version {found} of the kernel interface, expected {version}. Run {Command(device)} once to build the one that belongs here");
        }

        string serves = Text(library, "memgen_device") ?? "";
        if (serves != device)
        {
            return new(0, file, null, $"{file} is the kernel library for '{serves}', expected the one for '{device}'. Run {Command(device)} once to build it");
        }

        if (device == "cpu" && Environment.GetEnvironmentVariable("MEMORY_GEN_THREADS") is { Length: > 0 } threads && !(int.TryParse(threads, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0))
        {
            return new(library, file, null, $"MEMORY_GEN_THREADS is '{threads}', expected a whole number of threads, at least 1. Set it to one, or unset it: then there are as many as torch has");
        }

        string isa = Text(library, "memgen_isa") ?? "none";
        string asked = Environment.GetEnvironmentVariable("MEMORY_GEN_ISA") ?? "";
        return isa != "none" ? new(library, file, isa, null)
            : new(library, file, null, device == "cuda"
                ? $"{file} finds no CUDA device that it has code for: it needs {Needs}, and its driver"
                : $"{file} has no build '{asked}' for this CPU. Set MEMORY_GEN_ISA to baseline, avx2, avx512 or amx as the CPU allows, or unset it");
    }

    private static string Command(string device) => device == "cuda" ? "./build.sh cuda" : "./build.sh test";

    private static string? Text(nint library, string function) =>
        NativeLibrary.TryGetExport(library, function, out nint address)
            ? Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)address)())
            : null;

    /// <summary>A CUDA device that is the calling thread's current one while this lives.</summary>
    internal readonly ref struct CurrentDevice
    {
        private readonly delegate* unmanaged[Cdecl]<int, int*, int> use;
        private readonly int previous;

        public CurrentDevice(nint use, int index)
        {
            this.use = (delegate* unmanaged[Cdecl]<int, int*, int>)use;
            int before;
            if (this.use(index, &before) != 0) throw new InvalidOperationException($"CUDA has no device {index}.");
            previous = before;
        }

        public void Dispose()
        {
            if (use != null) use(previous, null);
        }
    }

    /// <summary>What came of opening the library: <paramref name="Problem"/> is null when it can be used.</summary>
    internal sealed record Opened(nint Handle, string? Path, string? Isa, string? Problem);
}
