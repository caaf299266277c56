using System.Diagnostics;
using Memory.Gen.Runtime.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>A process that knows a model and a conversation only from files, reads on, and leaves what it made of it in files.</summary>
internal static class ReadingChild
{
    private const string Weights = "weights.safetensors", Before = "before.safetensors", Input = "input.safetensors";
    private const string Output = "output.safetensors", After = "after.safetensors";

    /// <summary>Writes what the process needs, and waits for it.</summary>
    /// <returns>Its output and the state it ended with.</returns>
    public static (Tensor Output, MemoryState State) ReadOn(string folder, Subject subject, MemoryState state, Tensor input)
    {
        subject.Module.SaveWeights(Path.Combine(folder, Weights));
        state.Save(Path.Combine(folder, Before));
        SafetensorsFile.Write(Path.Combine(folder, Input), new Dictionary<string, Tensor> { ["input"] = input });
        using Process child = Process.Start(new ProcessStartInfo(
            Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet",
            ["exec", typeof(ReadingChild).Assembly.Location, "read", folder, subject.Module.GetType().Name]) { RedirectStandardError = true })!;
        string errors = child.StandardError.ReadToEnd();
        child.WaitForExit();
        if (child.ExitCode != 0) throw new InvalidOperationException($"The reading process ended with {child.ExitCode}: {errors}");
        using var file = SafetensorsFile.Open(Path.Combine(folder, Output));
        return (file.Read("output"), subject.LoadState(Path.Combine(folder, After)));
    }

    public static int Run(string folder, string name)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        using var subject = new Subject(name, seed: 99);
        subject.Module.LoadWeights(Path.Combine(folder, Weights));
        using MemoryState state = subject.LoadState(Path.Combine(folder, Before));
        using var file = SafetensorsFile.Open(Path.Combine(folder, Input));
        Tensor output = subject.Prefill(file.Read("input"), state);
        SafetensorsFile.Write(Path.Combine(folder, Output), new Dictionary<string, Tensor> { ["output"] = output });
        state.Save(Path.Combine(folder, After));
        return 0;
    }
}
