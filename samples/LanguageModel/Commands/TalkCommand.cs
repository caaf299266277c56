using System.CommandLine;
using LanguageModel.Models;

namespace LanguageModel.Commands;

/// <summary>Lines by turns with a trained model, which remembers all of them.</summary>
internal static class TalkCommand
{
    private const string End = "/end", Again = "/again", Back = "/back", Forget = "/forget";

    public static Command Create()
    {
        var run = Shared.Run();
        var step = Shared.Step();
        var memory = Shared.Memory("saved after every line");
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("talk", "Goes on with every line that you write, and remembers all of them.") { run, step, memory, device, threads };
        var sampling = new SamplingOptions(command, "tokens to make of a line at most");
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            string folder = parsed.Path(run)!;
            string? file = parsed.Path(memory, "a file");
            using Conversation? conversation = file is null ? null : new Conversation(file, folder);
            var (model, checkpoint) = TrainedModel.Load(folder, Shared.DeviceOf(parsed.GetValue(device)!), parsed.GetValue(step));
            using var talk = new Talk(model, checkpoint.LoadTokenizer(), conversation?.Begin(model, checkpoint) ?? model.NewState(1));
            sampling.Name(() => talk.Choose(sampling.Of(parsed)));
            Terminal.Say($"Write the beginning of a line: it goes on to the line's end. An empty line asks for more, {Again} for another end.");
            Terminal.Say($"{Back} takes the last line back, {Forget} all of them. Ctrl-C ends a line that is being written; else it ends the conversation, as {End} and Ctrl-D do.");
            Terminal.Say(file is null ? "Nothing is kept of it; --memory FILE does." : talk.Tokens > 0 ? $"It goes on after {talk.Tokens:N0} tokens, from {file}." : $"It is kept in {file}.");
            while (Ask() is { } line && line.TrimEnd() != End)
            {
                try
                {
                    if (Take(talk, line)) return;
                }
                finally
                {
                    // Whatever became of the line, what was read of it is remembered.
                    conversation?.Save(talk.Memory);
                }
            }

            Terminal.Say($"{talk.Tokens:N0} tokens read; {Terminal.Size(talk.Memory.Bytes)} of memory{(file is null ? "" : $", in {file}")}.");
        }));
        return command;
    }

    // Returns whether somebody wants all of it to end, or nobody is there to read it.
    private static bool Take(Talk talk, string line)
    {
        switch (line.TrimEnd())
        {
            case Again when talk.LastLine is { } last:
                talk.Back();
                return Go(talk, last);
            case Back when talk.Back():
                return false;
            case Again or Back:
                Terminal.Warn("There is no last line that could be taken back.");
                return false;
            case Forget:
                talk.Forget();
                return false;
            case ['/', ..] unknown:
                Terminal.Warn($"There is no {unknown.Split(' ')[0]}; there are {Again}, {Back}, {Forget} and {End}. A line that begins with / begins with a space, too.");
                return false;
            default:
                return Go(talk, line);
        }
    }

    private static bool Go(Talk talk, string line)
    {
        using var interruption = new Interruption();
        talk.GoOn(line, interruption.Token);
        return interruption.EndsAll || StandardStreams.NobodyReads;
    }

    // Null at the end of the input, where there never was one, and where somebody wants all of it to end.
    private static string? Ask()
    {
        if (StandardStreams.HasNoInput) return null;
        if (!Console.IsInputRedirected) Terminal.Write("> ");
        using var interruption = new Interruption();
        try
        {
            return interruption.Wait(Console.ReadLine);
        }
        catch (OperationCanceledException)
        {
            Terminal.Say("");
            return null;
        }
    }
}
