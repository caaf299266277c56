using System.CommandLine;
using System.Globalization;
using Conformance;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Tests.Shared;
using TorchSharp;
using static TorchSharp.torch;

var files = new Argument<string[]>("FILES") { Arity = ArgumentArity.OneOrMore, Description = "Vector files (safetensors)." };
// An argument of any text takes in unknown options too.
files.Validators.Add(result =>
{
    foreach (string unknown in result.Tokens.Select(token => token.Value).Where(text => text.StartsWith('-'))) result.AddError($"There is no option {unknown}.");
});
var form = new Option<string>("--form") { Description = "The operator's form.", DefaultValueFactory = _ => "reference" };
form.AcceptOnlyFromAmong("reference", "chunked", "native");
var dtype = new Option<string>("--dtype") { Description = "What the inputs are rounded to.", DefaultValueFactory = _ => "f64" };
dtype.AcceptOnlyFromAmong("f64", "f32", "bf16");
var device = new Option<string>("--device") { Description = "Where it runs.", DefaultValueFactory = _ => "cpu" };
device.AcceptOnlyFromAmong("cpu", "cuda");
var chunk = new Option<int?>("--chunk") { Description = "Tokens of a computational chunk; the operator's own default if absent." }.AtLeastOne();

var root = new RootCommand("Runs operators forward and backward against vector files, one line a tensor.") { files, form, dtype, device, chunk };
root.SetAction(parsed =>
{
    OperatorForm chosen = Enum.Parse<OperatorForm>(parsed.GetRequiredValue(form), ignoreCase: true);
    Precision precision = Precision.Of(parsed.GetRequiredValue(dtype));
    var place = new Device(parsed.GetRequiredValue(device));
    int passed = 0, failed = 0;
    foreach (string path in parsed.GetRequiredValue(files))
    {
        foreach (Comparison line in VectorRun.Compare(path, chosen, precision, place, parsed.GetValue(chunk)))
        {
            string verdict = line.Passed ? "ok" : "FAIL";
            string error = line.Error.ToString("0.0e+00", CultureInfo.InvariantCulture), limit = line.Limit.ToString("0.0e+00", CultureInfo.InvariantCulture);
            Console.WriteLine($"{Path.GetFileName(path)} {line.Tensor} {error} {limit} {verdict}");
            // An error about the file begins with its name.
            if (line.Reason is { } reason) Console.Error.WriteLine(reason.StartsWith(path + ": ", StringComparison.Ordinal) ? reason : $"{path}: {reason}");
            if (line.Passed) passed++;
            else failed++;
        }
    }

    Console.WriteLine($"{passed} passed, {failed} failed");
    return failed == 0 ? 0 : 1;
});
var count = new Option<int>("--count") { Description = "Operator calls.", DefaultValueFactory = _ => 100 }.AtLeastOne();
var seed = new Option<int>("--seed") { Description = "Of shapes and numbers.", DefaultValueFactory = _ => 1 };
var stress = new Command("stress", "Runs kernels at random shapes against the token loop in float64, and prints what is wrong.") { count, seed, dtype, device };
stress.SetAction(parsed =>
{
    var place = new Device(parsed.GetRequiredValue(device));
    var run = new StressRun(Precision.Of(parsed.GetRequiredValue(dtype)), place, parsed.GetValue(seed));
    int passed = 0, refused = 0, failed = 0;
    for (int call = 0; call < parsed.GetValue(count); call++)
    {
        foreach (Comparison line in run.Next())
        {
            if (line.Reason is not null) refused++;
            else if (line.Passed) passed++;
            else failed++;
            if (!line.Passed) Console.WriteLine($"{line.Tensor} {line.Error.ToString("0.0e+00", CultureInfo.InvariantCulture)} FAIL {line.Reason}");
        }
    }

    Console.WriteLine($"{passed} passed, {failed} failed; {refused} calls have no kernel");
    return failed == 0 ? 0 : 1;
});
root.Add(stress);
const int WrongUsage = 2;
ParseResult usage = root.Parse(args);
int code = usage.Invoke();
return usage.Errors.Count > 0 ? WrongUsage : code;
