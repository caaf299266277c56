using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Runtime;

namespace LanguageModel.Commands;

/// <summary>Continues a text, token by token, and remembers the conversation when asked to.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var run = Shared.Run();
        var step = Shared.Step();
        var prompt = new Option<string>("--prompt") { Description = "text to continue", DefaultValueFactory = _ => "" };
        var memory = Shared.Memory("saved at the end and after Ctrl-C");
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("generate", "Continues a text with a trained model.") { run, step, prompt, memory, device, threads };
        var sampling = new SamplingOptions(command, "tokens to make");
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            string folder = parsed.Path(run)!;
            using Conversation? conversation = parsed.Path(memory, "a file") is { } file ? new Conversation(file, folder) : null;
            var (model, checkpoint) = TrainedModel.Load(folder, Shared.DeviceOf(parsed.GetValue(device)!), parsed.GetValue(step));
            using var interruption = new Interruption();
            using MemoryState state = conversation?.Begin(model, checkpoint) ?? model.NewState(1);
            // A text begins after a line end, as training has it; one that goes on needs nothing new.
            string text = parsed.GetValue(prompt)!, begin = state.Positions.item<long>() > 0 ? "" : "\n";
            try
            {
                sampling.Name(() => Continuation.Write(model, checkpoint.LoadTokenizer(), begin, text, sampling.Of(parsed), state, interruption.Token));
            }
            catch (IOException)
            {
                // What was made is remembered, though there was no place for it.
                conversation?.Save(state);
                throw;
            }

            conversation?.Save(state);
        }));
        return command;
    }
}
