using Memory.Gen.Runtime.Tests.Kernels;
using Memory.Gen.Runtime.Tests.Models;
using Memory.Gen.Runtime.Tests.Operators;
using Memory.Gen.Runtime.Tests.Training;

// Tests that need a process of their own, to kill it or for its environment, start this one with a word that says what to do.
return args switch
{
    ["read", var folder] => ReadingChild.Run(folder),
    ["train", var folder, var steps] => TrainingChild.Run(folder, long.Parse(steps)),
    ["peak", var name] => PeakChild.Run(name),
    ["last"] => LastLogitsChild.Run(),
    ["lifetimes"] => OptionLifetimeTests.Run(),
    ["kernels"] => KernelChild.Run(),
    ["cuda-kernels", var dtype] => CudaKernelChild.Run(dtype),
    _ => 2,
};
