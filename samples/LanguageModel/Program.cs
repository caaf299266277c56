using System.CommandLine;
using System.Globalization;
using LanguageModel;
using LanguageModel.Commands;
using Spectre.Console;

CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;

// Colours belong on a terminal, not in a file.
if (Console.IsOutputRedirected) AnsiConsole.Profile.Capabilities.Ansi = false;

var root = new RootCommand("Trains language models that are declared with attributes, and talks to them.")
{
    TrainCommand.Create(),
    GenerateCommand.Create(),
    EvaluateCommand.Create(),
    InfoCommand.Create(),
};
ParseResult parsed = root.Parse(args);
int code = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
return parsed.Errors.Count > 0 ? Failure.WrongUsage : code;
