using System.Globalization;
using Memory.Gen.Training.Metrics;

namespace Memory.Gen.Training.Reports;

/// <summary>The loss curve of a run.</summary>
public static class LossChart
{
    /// <summary>Training loss (each point and a running mean) and validation over training time, with the count models as reference lines.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="training">The training loss.</param>
    /// <param name="validations">Bits a byte on an excerpt of the held-out text; may be empty.</param>
    /// <param name="baselines">The count models on the held-out text, or null.</param>
    /// <param name="final">Bits a byte on the whole held-out text after training, or null.</param>
    /// <exception cref="InvalidOperationException">There is no point to show.</exception>
    public static LineChart Create(string model, IReadOnlyList<LossPoint> training, IReadOnlyList<LossPoint> validations, Baselines? baselines, double? final = null)
    {
        double seconds = training.Concat(validations).Select(p => p.Seconds).DefaultIfEmpty().Max();
        var (unit, divisor) = seconds > 7200 ? ("hours", 3600.0) : seconds > 300 ? ("minutes", 60.0) : ("seconds", 1.0);
        var smooth = Smooth(training, Math.Max(1, training.Count / 50));
        double floor = training.Concat(validations).Select(p => p.BitsPerByte).Append(final ?? double.NaN).Where(double.IsFinite).DefaultIfEmpty(1).Min();
        var series = new List<Series>
        {
            new("", Points(training), SeriesStyle.Faint, "#3b6fb6"),
            new("training loss", Points(smooth), SeriesStyle.Line, "#3b6fb6"),
        };
        if (validations.Count > 0) series.Add(new Series("held-out, excerpt", Points(validations), SeriesStyle.Dots, "#7fb89a"));
        long steps = training.Concat(validations).Select(p => p.Step).DefaultIfEmpty().Max();
        if (final is { } whole) series.Add(new Series("held-out, all of it", Points([new LossPoint(steps, seconds, whole)]), SeriesStyle.Dots, "#14633f"));
        return new LineChart
        {
            Title = $"{model}: loss",
            Subtitle = string.Create(CultureInfo.InvariantCulture, $"{steps:N0} steps")
                + (final is { } bits ? string.Create(CultureInfo.InvariantCulture, $", {bits:F3} bits per byte on held-out text") : ""),
            XLabel = $"training time ({unit})",
            YLabel = "loss (bits per byte)",
            Series = series,
            References = baselines is null ? []
                : [("3-byte counts", baselines.Order3), ("4-byte counts", baselines.Order4), ("5-byte counts", baselines.Order5)],
            Ceiling = Math.Max(2.5 * floor, 1.15 * (baselines?.Order3 ?? 0)),
        };

        IReadOnlyList<(double, double)> Points(IReadOnlyList<LossPoint> points) => [.. points.Select(p => (p.Seconds / divisor, p.BitsPerByte))];
    }

    // The mean over a point and its neighbours, `reach` on either side: near the beginning, where the loss falls fast, as many on both;
    // near the end those that there are, so that the line does not end in the noise of one step.
    private static List<LossPoint> Smooth(IReadOnlyList<LossPoint> points, int reach)
    {
        var smooth = new List<LossPoint>(points.Count);
        for (int i = 0; i < points.Count; i++)
        {
            int near = Math.Min(reach, i);
            smooth.Add(points[i] with { BitsPerByte = points.Skip(i - near).Take(2 * near + 1).Average(p => p.BitsPerByte) });
        }
        return smooth;
    }
}
