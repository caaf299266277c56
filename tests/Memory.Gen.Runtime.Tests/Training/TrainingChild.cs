using System.Diagnostics;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training;
using Memory.Gen.Training.Tokenizers;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>A process that trains, saves a checkpoint after every step, and can be killed.</summary>
internal static class TrainingChild
{
    public static Process Start(string folder, long steps) =>
        Process.Start(ChildProcess.Of(typeof(TrainingChild).Assembly, "train", folder, $"{steps}"))!;

    public static int Run(string folder, long steps)
    {
        using var model = TrainerTests.NewModel();
        using var trainer = Create(model, folder, steps);
        return trainer.Run() == TrainingOutcome.Finished ? 0 : 1;
    }

    /// <summary>A new run, or the one that was killed. The learning rate is constant, so that the number of steps changes nothing.</summary>
    public static Trainer Create(TinyHybrid model, string folder, long steps)
    {
        var options = new TrainingOptions { Batch = 2, Window = 16, Steps = steps, WarmUpShare = 0, FinalShare = 1, CheckpointInterval = TimeSpan.FromTicks(1) };
        return new Checkpoints(folder).Paths.Count == 0
            ? new Trainer(model, TrainerTests.Text, new ByteTokenizer(), options, folder)
            : Trainer.Resume(model, TrainerTests.Text, new Checkpoints(folder).LoadLatest(refused => throw new MemoryFileException(folder, refused)), folder, options);
    }
}
