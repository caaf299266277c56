using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Samples;

/// <summary>What somebody types, the same in every country.</summary>
internal static class CommandLine
{
    /// <summary>Runs a program. Wrong usage is told in a line or two; the options are one --help away.</summary>
    public static int Run(RootCommand root, string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
        if (StandardStreams.HasNoOutput)
        {
            Console.Error.WriteLine("The output is closed, so there is nowhere to write. Leave out >&-; where nobody is to read it, send it to /dev/null.");
            return Failure.Exit;
        }

        Terminal.Begin();
        // A text may begin with @, and so may the name of a file: neither is replaced by what a file says.
        ParseResult parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        // Who asks for nothing is shown what there is.
        if (parsed.Errors.Count == 0 || arguments.Length == 0)
        {
            int code = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
            return parsed.Errors.Count > 0 ? Failure.WrongUsage : code;
        }

        foreach (ParseError error in parsed.Errors) Console.Error.WriteLine(error.Message);
        Console.Error.WriteLine($"What can be said is shown by: {(parsed.CommandResult.Command == root ? "" : parsed.CommandResult.Command.Name + " ")}--help");
        return Failure.WrongUsage;
    }

    /// <summary>An option that is a number, or null where it is left out.</summary>
    public static Option<T?> Number<T>(string name, string description)
        where T : struct, INumber<T> => new(name) { Description = description, CustomParser = result => Parse<T>(name, result) };

    /// <summary>An option that is a number.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What --help says.</param>
    /// <param name="absent">The number where it is left out.</param>
    public static Option<T> Number<T>(string name, string description, T absent)
        where T : struct, INumber<T> => new(name) { Description = description, DefaultValueFactory = _ => absent, CustomParser = result => Parse<T>(name, result) ?? absent };

    /// <exception cref="UserError">The value of an option that is there is below 1.</exception>
    public static void RequirePositive(string option, long? value)
    {
        if (value is < 1) throw new UserError($"{option} is {value}; it must be at least 1.");
    }

    // Neither commas nor signs of a currency: what reads 0,004 as 4 ruins a training.
    private static T? Parse<T>(string name, ArgumentResult result)
        where T : struct, INumber<T>
    {
        bool whole = typeof(T) != typeof(double);
        string text = result.Tokens[0].Value;
        if (T.TryParse(text, whole ? NumberStyles.AllowLeadingSign : NumberStyles.Float, CultureInfo.InvariantCulture, out T value)) return value;
        result.AddError($"{name} is \"{text}\"; it must be a {(whole ? "whole number, for example 20" : "number, for example 0.5")}.");
        return null;
    }
}
