using Memory.Gen.Runtime.Files;
using Memory.Gen.Training.RecallTasks;
using Memory.Gen.Training.Reports;
using Spectre.Console;
using static TorchSharp.torch;

namespace Recall;

/// <summary>One line of <c>result.json</c>: a model on one test; names there are in snake case, what does not apply is null.</summary>
/// <param name="Task">Name of the examination.</param>
/// <param name="Model">Name of the model.</param>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="Pairs">Key-value pairs in its context.</param>
/// <param name="Depth">Place of the needle, 0 to 1.</param>
/// <param name="Parameters">Trained values.</param>
/// <param name="ActivatedParameters">Those that take part in reading one token; fewer than <paramref name="Parameters"/> where a router leaves memories out.</param>
/// <param name="StateBytes">Bytes of the state of one sequence of this length, in float32.</param>
/// <param name="Seeds">Number of trainings.</param>
/// <param name="AccuracyMean">Share of right answers, mean over the trainings.</param>
/// <param name="AccuracyMin">The worst of them.</param>
/// <param name="AccuracyMax">The best of them.</param>
/// <param name="ExactMean">Share of sequences whose answers are all right, mean over the trainings.</param>
/// <param name="MemoryOffAccuracy">The mean with the memory cleared before the questions.</param>
/// <param name="Chance">The share that guessing reaches.</param>
/// <param name="SlotPrecision">The share of eidetic slots that hold no filler when the questions come, mean.</param>
/// <param name="Steps">Steps of a training, mean.</param>
/// <param name="Seconds">Seconds of a training, mean.</param>
internal sealed record Row(
    string Task, string Model, int Length, int? Pairs, double? Depth, long Parameters, long ActivatedParameters, long StateBytes, int Seeds,
    double AccuracyMean, double AccuracyMin, double AccuracyMax, double ExactMean, double? MemoryOffAccuracy, double Chance, double? SlotPrecision, double Steps, double Seconds);

/// <summary>What a person looks at: tables, charts, and everything also as JSON.</summary>
internal static class Report
{
    /// <summary>The rows of one examination, model after model.</summary>
    public static IEnumerable<Row> Rows(Contest contest, int examination, IReadOnlyList<Standing> standings) =>
        from standing in standings
        from test in contest.Examinations[examination].Tests.Select((task, index) => (Task: task, Index: index))
        let marks = standing.Runs.Select(run => run.Marks[examination]).ToList()
        let accuracies = marks.Select(each => each.Accuracy[test.Index]).ToList()
        select new Row(
            contest.Examinations[examination].Name, standing.Contestant.Name, test.Task.Length, test.Task.Pairs, (test.Task as NeedleInHaystack)?.Depth,
            standing.Card.Parameters, standing.ActivatedParameters, standing.Card.StateBytes(test.Task.Length, ScalarType.Float32), standing.Runs.Count,
            accuracies.Average(), accuracies.Min(), accuracies.Max(), marks.Average(each => each.Exact[test.Index]), marks.Average(each => each.MemoryOff?[test.Index]), test.Task.Chance,
            marks.Average(each => each.SlotPrecision?[test.Index]), standing.Runs.Average(run => run.Training.Steps), standing.Runs.Average(run => run.Training.Seconds));

    /// <summary>A table on the console; accuracies with their range over the seeds.</summary>
    public static void Show(Examination examination, IReadOnlyList<Row> rows)
    {
        var table = new Table().Title(Markup.Escape($"{examination.Title}: right answers by {examination.Axis}")).AddColumns("model", "parameters", "state bytes");
        foreach (var test in examination.Tests) table.AddColumn(new TableColumn(examination.Place(test)).RightAligned());
        bool hasSlots = rows.Any(row => row.SlotPrecision is not null);
        table.AddColumns([.. hasSlots ? new[] { "memory off", "slots" } : ["memory off"], "steps", "seconds"]);
        foreach (var model in rows.GroupBy(row => row.Model))
        {
            var first = model.First();
            string[] accuracies = [.. model.Select(row => Accuracy(row) + (examination.ShowsExact ? $"\nexact {row.ExactMean:F3}" : ""))];
            string off = model.Max(row => row.MemoryOffAccuracy) is { } most ? $"{most:F3}" : "";
            string[] slots = hasSlots ? [model.Average(row => row.SlotPrecision) is { } share ? $"{share:F3}" : ""] : [];
            table.AddRow([model.Key, $"{first.Parameters:N0}", $"{first.StateBytes:N0}", .. accuracies, off, .. slots, $"{first.Steps:F0}", $"{first.Seconds:F1}"]);
        }
        table.Caption($"Guessing: {rows.Min(row => row.Chance):F3}. Memory off: the best of all columns. {(examination.ShowsExact ? "Exact: the share of sequences with no wrong answer. " : "")}{(hasSlots ? "Slots: the share that holds no filler when the questions come. " : "")}Steps and seconds are of one training.");
        AnsiConsole.Write(table);

        static string Accuracy(Row row) => row.Seeds == 1 ? $"{row.AccuracyMean:F3}" : $"{row.AccuracyMean:F3} ({row.AccuracyMin:F2}-{row.AccuracyMax:F2})";
    }

    /// <summary>Accuracy over the tests, a line for each model, the best one first in the legend.</summary>
    public static LineChart Chart(Examination examination, IReadOnlyList<Row> rows) => new()
    {
        Title = examination.Title,
        // Lines that lie on one another are told apart by the numbers in the legend.
        Subtitle = (rows.Max(row => row.Seeds) is > 1 and var seeds ? $"mean of {seeds} seeds" : "one seed") + "; beside a name, the mean of its points",
        XLabel = examination.Axis,
        YLabel = "share of right answers",
        Series = [.. rows.GroupBy(row => row.Model).OrderByDescending(model => model.Average(row => row.AccuracyMean))
            .Select(model => new Series($"{model.Key} {model.Average(row => row.AccuracyMean):F3}", [.. model.Select((row, index) => ((double)index, row.AccuracyMean))], SeriesStyle.Dots, Catalog.Find(model.Key).Color))],
        References = [("guessing", rows.Min(row => row.Chance))],
        Categories = [.. examination.Tests.Select((test, index) => ((double)index, examination.Place(test)))],
        LegendBeside = true,
    };

    /// <summary>Writes rows as JSON; the file is whole or not there.</summary>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    public static void Save(string path, IReadOnlyList<Row> rows) => JsonFile.Save(path, rows);
}
