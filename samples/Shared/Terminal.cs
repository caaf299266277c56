using Memory.Gen.Runtime.Kernels;
using Spectre.Console;

namespace Samples;

/// <summary>What a person reads while this program works.</summary>
internal static class Terminal
{
    /// <summary>Colours and narrow tables belong on a terminal, not in a file.</summary>
    public static void Begin()
    {
        BlasCore.Prepare();
        // Before Spectre.Console takes them. What goes to a file and cannot be written there is an error.
        if (!Console.IsOutputRedirected) Console.SetOut(new LastingWriter(Console.Out));
        if (!Console.IsErrorRedirected) Console.SetError(new LastingWriter(Console.Error));
        if (Console.IsOutputRedirected) (AnsiConsole.Profile.Width, AnsiConsole.Profile.Capabilities.Ansi) = (200, false);
    }

    public static void Say(string line) => Console.WriteLine(line);

    /// <summary>Says what is odd, where it does not get into what a command writes.</summary>
    public static void Warn(string line) => Console.Error.WriteLine(line);

    /// <summary>Writes text that a model made. On a terminal without what would change the terminal's own state: a model that has learned little makes any byte.</summary>
    public static void Write(string text)
    {
        Console.Write(Console.IsOutputRedirected ? text : string.Concat(text.Select(c => char.IsControl(c) && c is not ('\n' or '\t') ? '\uFFFD' : c)));
        Console.Out.Flush();
    }

    /// <summary>A number of bytes in the unit that shows it.</summary>
    public static string Size(long bytes) => bytes < 1000 ? $"{bytes} bytes" : bytes < 1_000_000 ? $"{bytes / 1e3:F1} kB" : bytes < 1_000_000_000 ? $"{bytes / 1e6:F1} MB" : $"{bytes / 1e9:N1} GB";

    /// <summary>A time as a clock shows it: minutes and seconds, and hours where there are any.</summary>
    public static string Time(TimeSpan time) => time.TotalHours < 1 ? $"{time:m\\:ss}" : $"{(long)time.TotalHours}:{time:mm\\:ss}";

    /// <summary>A word of a command that a person may copy: in quotes where a shell would take it apart.</summary>
    public static string Word(string text) => text.Length > 0 && text.All(c => char.IsLetterOrDigit(c) || "_-./,:=+@%".Contains(c)) ? text : $"'{text.Replace("'", "'\\''")}'";

    /// <summary>Runs work that reports its share and a line about itself: a bar on a terminal, a line now and then elsewhere.</summary>
    /// <param name="work">Gets a callback for (share done 0 to 1, how it stands).</param>
    public static void Progress(string title, Action<Action<double, string>> work)
    {
        if (AnsiConsole.Profile.Capabilities is not { Interactive: true, Ansi: true })
        {
            work(new Lines(title).Report);
            return;
        }
        AnsiConsole.Progress()
            .AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
            .Start(context =>
            {
                var task = context.AddTask(title);
                work((share, status) =>
                {
                    task.Value = 100 * share;
                    task.Description = Markup.Escape($"{title} {status}");
                });
            });
    }

    private sealed class Lines(string title)
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
        private DateTime last;

        public void Report(double share, string status)
        {
            if (DateTime.UtcNow - last < Interval && share < 1) return;
            last = DateTime.UtcNow;
            try
            {
                Console.WriteLine($"{title} {share,4:P0}  {status}");
            }
            catch (IOException)
            {
                // A log that takes no more lines is no reason to end the work in the middle.
            }
        }
    }
}
