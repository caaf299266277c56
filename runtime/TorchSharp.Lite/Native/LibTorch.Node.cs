using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/node.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern int lt_attach_node(byte* name, nint* inputs, int nInputs, nint* outputs, int nOutputs, byte* differentiable, nint* save, int nSave, int materialize, long context, delegate* unmanaged[Cdecl]<long, nint*, int, nint*, int, nint*, int, byte*, int, int> backward, delegate* unmanaged[Cdecl]<long, void> release);
}
