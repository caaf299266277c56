using System.CommandLine;
using System.Globalization;
using LanguageModel.Commands;

CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
Terminal.Begin();

var root = new RootCommand("Trains language models that are declared with attributes, and talks to them.")
{
    TrainCommand.Create(),
    GenerateCommand.Create(),
    EvaluateCommand.Create(),
    InterleaveCommand.Create(),
    ContextCommand.Create(),
    InfoCommand.Create(),
};
ParseResult parsed = root.Parse(args);
int code = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
return parsed.Errors.Count > 0 ? Failure.WrongUsage : code;
