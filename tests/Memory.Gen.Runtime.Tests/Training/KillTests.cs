using System.Diagnostics;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

[Collection("Alone")]
public class KillTests
{
    [Fact]
    public void KilledThreeTimesItEndsAsIfItNeverWas() => KillAndResume(times: 3);

    [Fact, Trait("Category", "Soak")]
    public void KilledFiftyTimesItEndsAsIfItNeverWas() => KillAndResume(times: 50);

    // Saving takes longer than a step of this model, so most kills hit a save. Every checkpoint that has its name must be whole (the
    // child refuses to go on otherwise), and the weights at the end must be those of a run that nobody killed.
    private static void KillAndResume(int times)
    {
        using var folder = new TemporaryFolder();
        var moments = new Random(17);
        var checkpoints = new Checkpoints(folder.File("killed"));
        long reached = 0;
        for (int kill = 0; kill < times; kill++)
        {
            using var child = TrainingChild.Start(folder.File("killed"), long.MaxValue);
            while (Newest(checkpoints) <= reached && !child.HasExited) Thread.Sleep(5);
            Assert.False(child.HasExited, child.HasExited ? child.StandardError.ReadToEnd() : "");
            Thread.Sleep(moments.Next(100));
            child.Kill();
            child.WaitForExit();

            long newest = checkpoints.LoadLatest(refused => Assert.Fail(refused)).Snapshot.Step;
            Assert.True(newest > reached);
            reached = newest;
        }

        Resume(folder.File("killed"), reached + 2);
        Resume(folder.File("whole"), reached + 2);
        Assert.Equal(Weights("killed"), Weights("whole"));

        byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(new Checkpoints(folder.File(run)).Paths[0], "model.safetensors"));
    }

    private static long Newest(Checkpoints checkpoints) =>
        checkpoints.Paths.Count == 0 ? 0 : long.Parse(Path.GetFileName(checkpoints.Paths[0])["checkpoint-".Length..]);

    private static void Resume(string folder, long steps)
    {
        using var model = TrainerTests.NewModel();
        using var trainer = TrainingChild.Create(model, folder, steps);
        Assert.Equal(TrainingOutcome.Finished, trainer.Run());
    }
}
