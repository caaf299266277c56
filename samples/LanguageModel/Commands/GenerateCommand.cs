using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Runtime;
using Memory.Gen.Training.Tokenizers;

namespace LanguageModel.Commands;

/// <summary>Continues a text, token by token, and remembers the conversation when asked to.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var run = Shared.Run();
        var step = Shared.Step();
        var prompt = new Option<string>("--prompt") { Description = "text to continue", DefaultValueFactory = _ => "" };
        var tokens = CommandLine.Number<int>("--tokens", "tokens to make", absent: 200);
        var temperature = CommandLine.Number<double>("--temperature", "0 takes the likeliest token, 1 draws from the model's own distribution", absent: 0.8);
        var topP = CommandLine.Number<double>("--top-p", "draws from the likeliest tokens that together have this probability", absent: 0.95);
        var topK = CommandLine.Number<int>("--top-k", "draws from this many likeliest tokens; 0 = all", absent: 0);
        var seed = CommandLine.Number<long>("--seed", "the same seed makes the same text", absent: 1);
        var memory = new Option<string?>("--memory") { Description = "file of a conversation's memory: continued where it exists, saved at the end and after Ctrl-C" };
        var device = Shared.Device();
        var threads = Shared.Threads();
        // As the errors about them call them.
        var named = new Dictionary<string, Option>
        {
            [nameof(GenerationOptions.MaxTokens)] = tokens,
            [nameof(GenerationOptions.Temperature)] = temperature,
            [nameof(GenerationOptions.TopP)] = topP,
            [nameof(GenerationOptions.TopK)] = topK,
        };
        var command = new Command("generate", "Continues a text with a trained model.") { run, step, prompt, tokens, temperature, topP, topK, seed, memory, device, threads };
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            var options = new GenerationOptions
            {
                MaxTokens = parsed.GetValue(tokens),
                Temperature = parsed.GetValue(temperature),
                TopP = parsed.GetValue(topP),
                TopK = parsed.GetValue(topK),
                Seed = parsed.GetValue(seed),
            };
            string folder = parsed.Path(run)!;
            using Conversation? conversation = parsed.Path(memory, "a file") is { } file ? new Conversation(file, folder) : null;
            var (model, checkpoint) = TrainedModel.Load(folder, Shared.DeviceOf(parsed.GetValue(device)!), parsed.GetValue(step));
            using var interruption = new Interruption();
            using MemoryState state = conversation?.Begin(model, checkpoint) ?? model.NewState(1);
            try
            {
                Write(model, checkpoint.LoadTokenizer(), parsed.GetValue(prompt)!, options, state, interruption.Token);
            }
            catch (ArgumentOutOfRangeException error) when (error.ParamName is { } name && named.TryGetValue(name, out Option? option))
            {
                throw new UserError(Failure.SentenceOf(error).Replace(name, option.Name, StringComparison.Ordinal));
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

    /// <summary>Writes the prompt and its continuation as it is made, until it is asked to stop or nobody reads any more; the state is of all that was written.</summary>
    public static void Write(IMemoryModel model, ITokenizer tokenizer, string prompt, GenerationOptions options, MemoryState state, CancellationToken cancellation)
    {
        // A text begins after a line end, as training has it; one that goes on needs nothing new.
        bool continued = state.Positions.item<long>() > 0;
        string text = continued ? prompt : "\n" + prompt;
        var made = model.Generate([.. tokenizer.Encode(text).Select(t => (long)t)], options, state, cancellation);
        Console.Write(prompt);
        try
        {
            foreach (string piece in tokenizer.DecodeStream(made))
            {
                Terminal.Write(piece);
                if (Readers.AreGone) break;
            }
        }
        catch (OperationCanceledException)
        {
            // What was read and written so far is in the state.
        }
        Console.WriteLine();
    }
}
