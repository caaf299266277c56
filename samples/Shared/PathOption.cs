using System.CommandLine;

namespace Samples;

/// <summary>Options that name a file or a folder.</summary>
internal static class PathOption
{
    /// <summary>What it names, or null where it is left out.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="option">The option.</param>
    /// <param name="what">What it names, with its article.</param>
    /// <exception cref="UserError">It is there, and names nothing: a variable of the shell that was not set, for instance.</exception>
    public static string? Path(this ParseResult parsed, Option option, string what = "a folder")
    {
        string? path = parsed.GetValue<string?>(option.Name);
        if (path is not null && string.IsNullOrWhiteSpace(path)) throw new UserError($"{option.Name} is blank. Give it the name of {what}, or leave it out.");
        return path;
    }
}
