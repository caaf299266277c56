using System.CommandLine;

namespace Recall;

/// <summary>Compares the memories on recall tasks.</summary>
internal static class RecallCommand
{
    private const int Seeds = 3;

    public static RootCommand Create()
    {
        var quick = new Option<bool>("--quick") { Description = "a few minutes: one seed, fewer models, fewer steps, shorter tests" };
        var task = new Option<string?>("--task") { Description = $"one of {Names(Contests.Names)}; without it, all but {Names(Contests.All.Where(c => c.OnlyByName).Select(c => c.Name))}" };
        var model = new Option<string?>("--model") { Description = $"one of {Names(Catalog.Models.Select(m => m.Name))}; without it, all" };
        var seeds = CommandLine.Number<int>("--seeds", $"trainings of every model on every task; {Seeds} unless told otherwise, 1 with --quick");
        var output = new Option<string>("--out") { Description = "folder of tables and charts", DefaultValueFactory = _ => "artifacts/recall" };
        var command = new RootCommand("Trains small models on recall tasks and compares what their memories hold.") { quick, task, model, seeds, output };
        command.SetAction(Failure.Guard(parsed =>
        {
            string path = parsed.Path(output)!;
            var plan = Plan(parsed.GetValue(task), parsed.GetValue(model), parsed.GetValue(seeds), parsed.GetValue(quick));
            using var interruption = new Interruption();
            using var folder = new OutputFolder(path);
            Run(plan, folder.Path, interruption.Token);
        }));
        return command;
    }

    /// <summary>What is asked for on the command line.</summary>
    /// <exception cref="UserError">There is no such task or model, or it makes no sense.</exception>
    public static Plan Plan(string? task, string? model, int? seeds, bool quick)
    {
        if (task is not null && !Contests.Names.Contains(task)) throw new UserError($"There is no task '{task}'. Choose one of: {Names(Contests.Names)}.");
        if (model is not null && !Catalog.Models.Any(m => m.Name == model)) throw new UserError($"There is no model '{model}'. Choose one of: {Names(Catalog.Models.Select(m => m.Name))}.");
        CommandLine.RequirePositive("--seeds", seeds);
        var contests = Contests.All.Where(c => task is null ? !c.OnlyByName && (!quick || c.QuickModels.Count > 0) : c.Name == task || c.Theme == task)
            .Select(c => c with { Models = [.. c.Models.Where(name => TakesPart(c, name))], Steps = quick && c.QuickModels.Count > 0 ? c.QuickSteps : c.Steps, UsesAllSteps = c.UsesAllSteps && !quick })
            .Where(c => c.Models.Count > 0).ToList();
        if (contests.Count == 0) throw new UserError($"The model '{model}' does not take part in '{task}'. Leave one of the two out.");
        return quick
            ? new Plan { Contests = contests, Seeds = seeds ?? 1, TestRows = 256, TestTokens = 1 << 16 }
            : new Plan { Contests = contests, Seeds = seeds ?? Seeds };

        // Whoever asks for a model by its name gets it, and so does who asks for a task that has no quick form.
        bool TakesPart(Contest contest, string name) => model is not null ? name == model : !quick || contest.QuickModels.Count == 0 || contest.QuickModels.Contains(name);
    }

    /// <summary>Runs what is planned; each task's table, charts and results are there as soon as it is done.</summary>
    /// <exception cref="OperationCanceledException">It was stopped; what was finished is there.</exception>
    public static void Run(Plan plan, string folder, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        var rows = new List<Row>();
        foreach (var contest in plan.Contests)
        {
            if (cancellation.IsCancellationRequested) break;
            IReadOnlyList<Standing> standings = [];
            Terminal.Progress(contest.Name, report => standings = Comparison.Hold(contest, plan, report, cancellation));
            if (standings.Count == 0) break;
            for (int i = 0; i < contest.Examinations.Count; i++)
            {
                var examination = contest.Examinations[i];
                List<Row> own = [.. Report.Rows(contest, i, standings)];
                Report.Show(examination, own);
                Report.Chart(examination, own).Save(Path.Combine(folder, examination.Name + ".svg"));
                rows.AddRange(own);
            }
            Report.Save(Path.Combine(folder, "result.json"), rows);
        }
        string what = rows.Count == 0 ? "Nothing was finished yet." : $"Saved in {folder}: result.json and a chart of each task.";
        if (cancellation.IsCancellationRequested) throw new OperationCanceledException($"Stopped. {what}");
        Terminal.Say(what);
    }

    private static string Names(IEnumerable<string> names) => string.Join(", ", names);
}
