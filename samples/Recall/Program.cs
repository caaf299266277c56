using System.CommandLine;
using System.Globalization;
using Recall;

CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
Terminal.Begin();

ParseResult parsed = RecallCommand.Create().Parse(args);
int code = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
return parsed.Errors.Count > 0 ? Failure.WrongUsage : code;
