using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training;

namespace Samples;

/// <summary>Turns what went wrong into one sentence and an exit code; nobody here is shown a stack trace.</summary>
internal static class Failure
{
    /// <summary>Exit codes; the last is what a shell makes of Ctrl-C, for a command that was stopped and cannot be resumed.</summary>
    public const int Exit = 1, WrongUsage = 2, Stopped = 130;

    /// <summary>Makes an action of a command whose errors become one line on the error stream and exit code 1; one that was stopped says so there, too.</summary>
    public static Func<ParseResult, int> Guard(Action<ParseResult> run) => parsed =>
    {
        try
        {
            run(parsed);
            return 0;
        }
        catch (OperationCanceledException stopped)
        {
            Console.Error.WriteLine(stopped is TaskCanceledException ? "Stopped before there was a result." : stopped.Message);
            return Stopped;
        }
        catch (Exception error) when (Sentence(error) is { } sentence)
        {
            Console.Error.WriteLine(sentence);
            return Exit;
        }
    };

    /// <summary>What an error about an argument says, without the name that it has in code.</summary>
    public static string SentenceOf(ArgumentException error) => error.Message.Split(" (Parameter '")[0];

    private static string? Sentence(Exception error) => error switch
    {
        UserError or TrainingException or MemoryFileException or InvalidDataException or IOException or UnauthorizedAccessException => error.Message,
        ArgumentException argument => SentenceOf(argument),
        NotSupportedException or DllNotFoundException => error.Message,
        ExternalException => "libtorch: " + error.Message.Split('\n')[0],
        TypeInitializationException or TargetInvocationException when error.InnerException is { } inner => Sentence(inner) ?? inner.Message,
        OutOfMemoryException => "There is not enough memory; choose a smaller model or shorter texts.",
        _ => $"Something unexpected happened: {error.Message} ({error.GetType().Name}). Please report it with the command you ran.",
    };
}
