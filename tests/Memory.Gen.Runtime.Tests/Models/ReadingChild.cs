using System.Diagnostics;
using Memory.Gen.Runtime.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>A process that knows models and conversations only from files, reads on, and leaves what it made of them in files.</summary>
internal static class ReadingChild
{
    private const string Weights = "weights.safetensors", Before = "before.safetensors", Input = "input.safetensors";
    private const string Output = "output.safetensors", After = "after.safetensors";

    /// <summary>A text that was begun: whose it is, what is remembered of it, and how it goes on.</summary>
    public sealed record Conversation(Subject Subject, MemoryState State, Tensor Next);

    /// <summary>Writes what the process needs, a folder for each conversation, and waits for it.</summary>
    /// <returns>Its outputs and the states it ended with.</returns>
    public static (Tensor Output, MemoryState State)[] ReadOn(string folder, Conversation[] conversations)
    {
        foreach (Conversation each in conversations)
        {
            string own = Directory.CreateDirectory(FolderOf(folder, each)).FullName;
            each.Subject.Module.SaveWeights(Path.Combine(own, Weights));
            each.State.Save(Path.Combine(own, Before));
            SafetensorsFile.Write(Path.Combine(own, Input), new Dictionary<string, Tensor> { ["input"] = each.Next });
        }

        using Process child = Process.Start(new ProcessStartInfo(
            Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet",
            ["exec", typeof(ReadingChild).Assembly.Location, "read", folder]) { RedirectStandardError = true })!;
        string errors = child.StandardError.ReadToEnd();
        child.WaitForExit();
        if (child.ExitCode != 0) throw new InvalidOperationException($"The reading process ended with {child.ExitCode}: {errors}");
        return [.. conversations.Select(each =>
        {
            using var file = SafetensorsFile.Open(Path.Combine(FolderOf(folder, each), Output));
            return (file.Read("output"), each.Subject.LoadState(Path.Combine(FolderOf(folder, each), After)));
        })];
    }

    /// <summary>Most of the input at once, then token by token.</summary>
    public static Tensor ReadOn(Subject subject, MemoryState state, Tensor input) => subject.Read(input, state, [input.shape[1] - 3, 1, 1, 1], () => true);

    public static int Run(string folder)
    {
        using var quiet = no_grad();
        foreach (string own in Directory.GetDirectories(folder))
        {
            using var scope = NewDisposeScope();
            using var subject = new Subject(Path.GetFileName(own), seed: 99);
            subject.Module.LoadWeights(Path.Combine(own, Weights));
            using MemoryState state = subject.LoadState(Path.Combine(own, Before));
            using var file = SafetensorsFile.Open(Path.Combine(own, Input));
            SafetensorsFile.Write(Path.Combine(own, Output), new Dictionary<string, Tensor> { ["output"] = ReadOn(subject, state, file.Read("input")) });
            state.Save(Path.Combine(own, After));
        }

        return 0;
    }

    private static string FolderOf(string folder, Conversation conversation) => Path.Combine(folder, conversation.Subject.Module.GetType().Name);
}
