using System.Diagnostics;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training;
using Memory.Gen.Training.Tokenizers;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

[Collection("Alone")]
public class EnduranceTests
{
    [Fact]
    public void ThreeHundredStepsLeaveMemoryFlat() => Train(steps: 300);

    [Fact, Trait("Category", "Soak")]
    public void TenThousandStepsLeaveMemoryFlat() => Train(steps: 10_000);

    // The first third is warm-up: allocators, caches and the runtime's compiler. A leak of one small tensor a step would be seen in the
    // count of tensors; one of a step's activations (about 1 MB) in resident memory.
    private static void Train(long steps)
    {
        using var model = TrainerTests.NewModel();
        using var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), new TrainingOptions { Batch = 8, Window = 32, Steps = steps });
        long tensors = 0, resident = 0, without = LiveTensors.WithoutTensor(model);
        trainer.Run(p =>
        {
            if (p.Step != steps / 3) return;
            tensors = LiveTensors.Count() - (p.Step * without);
            resident = Resident();
        });

        // The last step's gradients and state were there before, too.
        Assert.Equal(tensors, LiveTensors.Count() - (steps * without));
        Assert.InRange(Resident() - resident, long.MinValue, 32 << 20);
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
