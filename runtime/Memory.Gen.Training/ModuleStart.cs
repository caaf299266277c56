using System.Runtime.CompilerServices;
using Memory.Gen.Runtime.Kernels;

namespace Memory.Gen.Training;

internal static class ModuleStart
{
#pragma warning disable CA2255 // A program that trains comes here before it makes a model, whose base class loads libtorch.
    [ModuleInitializer]
    internal static void Prepare() => BlasCore.Prepare();
#pragma warning restore CA2255
}
