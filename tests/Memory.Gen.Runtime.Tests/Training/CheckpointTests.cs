using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training;
using Memory.Gen.Training.Tokenizers;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

[Collection("Alone")]
public class CheckpointTests
{
    private static readonly TrainingOptions Options = new() { Batch = 2, Window = 16, Steps = 5, CheckpointInterval = TimeSpan.FromTicks(1) };

    private static string? Train(string folder, long steps = 5)
    {
        using var model = TrainerTests.NewModel();
        using var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), Options with { Steps = steps }, folder);
        trainer.Run();
        return trainer.EarlierCheckpoints;
    }

    [Fact]
    public void TheLastOnesAreKept()
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);

        Assert.Equal(["checkpoint-000005", "checkpoint-000004", "checkpoint-000003"], new Checkpoints(folder.Path).Paths.Select(Path.GetFileName));
        Assert.Equal(3, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [Fact]
    public void WeightsAndTokenizerComeBack()
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);
        var checkpoint = new Checkpoints(folder.Path).LoadLatest();
        using TinyHybrid model = TrainerTests.NewModel(8), again = TrainerTests.NewModel(9);

        checkpoint.LoadWeights(model);
        checkpoint.LoadWeights(again);

        Assert.IsType<ByteTokenizer>(checkpoint.LoadTokenizer());
        Assert.All(model.parameters().Zip(again.parameters()), p => Assert.True(p.First.equal(p.Second).all().item<bool>()));
    }

    [Fact]
    public void TheModelsDigestIsThatOfItsWeightsWhereverTheyLie()
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);
        string[] digests = [.. new Checkpoints(folder.Path).Paths.Select(path => Checkpoint.Open(path).ModelDigest)];
        Assert.Equal(3, digests.Distinct().Count());

        Train(folder.Path, 2);
        Assert.Equal(digests, new Checkpoints(folder.File("earlier-1")).Paths.Select(path => Checkpoint.Open(path).ModelDigest));
    }

    public static TheoryData<string> Files => ["model.safetensors", "optimizer.safetensors", "memory.safetensors", "vocab.json", "merges.txt", "checkpoint.json"];

    [Theory, MemberData(nameof(Files))]
    public void AnAlteredFileIsNamedAndTheCheckpointBeforeLoads(string name)
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);
        string path = folder.File(Path.Combine("checkpoint-000005", name));
        byte[] whole = File.ReadAllBytes(path);

        byte[] altered = [.. whole];
        altered[^(whole.Length / 3 + 1)] ^= 1;
        foreach (byte[]? content in new[] { altered, whole[..(whole.Length * 2 / 3)], [], null })
        {
            if (content is null) File.Delete(path);
            else File.WriteAllBytes(path, content);
            var refused = new List<string>();

            var checkpoint = new Checkpoints(folder.Path).LoadLatest(refused.Add);

            Assert.Equal(4, checkpoint.Snapshot.Step);
            Assert.Contains("checkpoint-000005", Assert.Single(refused));
            Assert.Contains(name, refused[0]);
            Assert.DoesNotContain(".)", refused[0]);
        }
    }

    [Fact]
    public void ADescriptionCannotNameOtherFilesOrOtherNumbers()
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);
        string path = folder.File("checkpoint-000005/checkpoint.json"), json = File.ReadAllText(path);

        foreach (string changed in new[] { json.Replace("\"step\": 5", "\"step\": 6"), json.Replace("vocab.json", "../../etc.json"), json.Replace("memory-gen-checkpoint", "other"), "[]", "{}", "null" })
        {
            Assert.NotEqual(json, changed);
            File.WriteAllText(path, changed);
            Assert.Contains("checkpoint.json", Assert.Throws<MemoryFileException>(() => Checkpoint.Open(folder.File("checkpoint-000005"))).Message);
        }
    }

    [Fact]
    public void WhenSavingFailsTheOnesBeforeAreThere()
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);
        var checkpoints = new Checkpoints(folder.Path);

        var error = Assert.Throws<MemoryFileException>(() => checkpoints.Save(6, path =>
        {
            File.WriteAllText(Path.Combine(path, "model.safetensors"), "begun");
            throw new IOException("No space left on device");
        }));

        Assert.Contains("No space left on device", error.Message);
        Assert.Equal(5, checkpoints.LoadLatest().Snapshot.Step);
        Assert.Equal(3, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [Fact]
    public void AFolderThatCanTakeNoneIsNoticedBeforeTheFirstStep()
    {
        using var folder = new TemporaryFolder();
        string missing = folder.File("run/checkpoints");
        var error = Assert.Throws<MemoryFileException>(() => new Checkpoints(missing).RequireRoom(1L << 60));
        Assert.StartsWith($"{missing}: can take no checkpoint (a checkpoint takes about 1,152,921,504,606,846,976 bytes, and ", error.Message);
        Assert.Empty(folder.Names);

        using var model = TrainerTests.NewModel();
        Assert.StartsWith("/proc/none: can take no checkpoint (", Assert.Throws<MemoryFileException>(() => new Trainer(model, TrainerTests.Text, new ByteTokenizer(), Options, "/proc/none")).Message);

        // A file where the folder, or one above it, should be.
        string file = folder.File("taken");
        File.WriteAllText(file, "");
        foreach (string path in new[] { file, Path.Combine(file, "checkpoints") })
            Assert.Equal($"{path}: can take no checkpoint ({file} is a file). Free some space or choose another folder.", Assert.Throws<MemoryFileException>(() => new Checkpoints(path).RequireRoom(1)).Message);
    }

    [Fact]
    public void TheRoomThatIsLookedForIsWhatOneTakes()
    {
        using var folder = new TemporaryFolder();
        using var model = TrainerTests.NewModel();
        using var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), Options, folder.Path);
        Assert.Empty(folder.Names);
        trainer.Run();
        long bytes = new DirectoryInfo(trainer.LastCheckpoint!).EnumerateFiles().Sum(file => file.Length);
        Assert.InRange(bytes, trainer.CheckpointBytes / 3, trainer.CheckpointBytes);
    }

    [Fact]
    public void AnUnfinishedOneIsIgnoredAndRemoved()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File(".unfinished-checkpoint-000009"));
        Assert.Contains("holds no checkpoint", Assert.Throws<MemoryFileException>(() => new Checkpoints(folder.Path).LoadLatest()).Message);

        Train(folder.Path, 1);

        Assert.Equal(1, new Checkpoints(folder.Path).LoadLatest().Snapshot.Step);
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void ANewRunSetsAllOfTheEarlierOneAsideAndSaysWhere()
    {
        using var folder = new TemporaryFolder();
        Assert.Null(Train(folder.Path));
        Assert.Equal(folder.File("earlier-1"), Train(folder.Path, 2));

        Assert.Equal(2, new Checkpoints(folder.Path).LoadLatest().Snapshot.Step);
        Assert.Equal([5, 4, 3], Steps(folder.File("earlier-1")));
    }

    [Fact]
    public void ARunThatGoesOnFromAnOlderOneSetsThoseAfterItAside()
    {
        using var folder = new TemporaryFolder();
        Train(folder.Path);
        string[] later = [.. new Checkpoints(folder.Path).Paths.Take(2).Select(path => Checkpoint.Open(path).ModelDigest)];
        using var model = TrainerTests.NewModel();
        using var trainer = Trainer.Resume(model, TrainerTests.Text, new Checkpoints(folder.Path).Load(3), folder.Path, Options with { Steps = 4 });
        trainer.Run();

        Assert.Equal(folder.File("earlier-1"), trainer.EarlierCheckpoints);
        Assert.Equal([4, 3], Steps(folder.Path));
        Assert.Equal(later, new Checkpoints(folder.File("earlier-1")).Paths.Select(path => Checkpoint.Open(path).ModelDigest));
        // The steps of the other run were the same number and led elsewhere.
        Assert.NotEqual(later[1], new Checkpoints(folder.Path).Load(4).ModelDigest);
    }

    private static IEnumerable<long> Steps(string folder) => new Checkpoints(folder).Paths.Select(path => Checkpoint.Open(path).Snapshot.Step);
}
