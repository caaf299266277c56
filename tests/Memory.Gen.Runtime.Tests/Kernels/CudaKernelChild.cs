using Conformance;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>A process in which tensors on the CPU go through the CUDA kernels, which run on the host then, and which says what came of every vector file.</summary>
internal static class CudaKernelChild
{
    /// <summary>The CUDA library as the emulator runs it.</summary>
    public static DeviceLibrary Emulated { get; } = new("cuda", KernelLibrary.CudaFile, () => [Path.Combine(AppContext.BaseDirectory, "cuda-emulated")]);

    public static int Run(string dtype)
    {
        KernelLibrary.Cpu = Emulated;
        foreach (string path in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "fixtures"), "*.safetensors").Order(StringComparer.Ordinal))
        {
            if (!CudaKernelTests.Operators.Contains(Path.GetFileName(path).Split('@')[0])) continue;
            foreach (Comparison line in VectorRun.Compare(path, OperatorForm.Native, Precision.Of(dtype), CPU, null))
            {
                Console.WriteLine($"{(line.Passed ? "ok" : "FAIL")} {Path.GetFileName(path)} {line.Tensor} {line.Error:g3} {line.Reason}");
            }
        }

        return 0;
    }
}
