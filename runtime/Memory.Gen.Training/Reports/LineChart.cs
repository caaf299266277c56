using System.Globalization;
using System.Security;
using System.Text;
using Memory.Gen.Runtime.Files;

namespace Memory.Gen.Training.Reports;

/// <summary>How a series is drawn.</summary>
public enum SeriesStyle
{
    /// <summary>A line.</summary>
    Line,

    /// <summary>A thin, pale line.</summary>
    Faint,

    /// <summary>A dot at each point, joined by a line.</summary>
    Dots,
}

/// <summary>Points of one colour with a name in the legend.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Points">x rising.</param>
/// <param name="Style">How it is drawn.</param>
/// <param name="Color">An SVG colour.</param>
public sealed record Series(string Name, IReadOnlyList<(double X, double Y)> Points, SeriesStyle Style, string Color);

/// <summary>A chart of lines over two axes, with horizontal reference lines named at the right; an SVG that needs nothing else.</summary>
public sealed class LineChart
{
    private const int Width = 960, Height = 540, Left = 78, Top = 64, Bottom = 64, CategoryMargin = 24, Dot = 6;
    private const string Ink = "#1f2933", Muted = "#66727f", Grid = "#e4e7eb", Reference = "#b0413e";

    // Room for the longest name of a legend beside the plot, at some 7 units a letter.
    private int Right => Math.Max(190, LegendBeside ? 46 + (7 * Series.Max(s => s.Name.Length)) : 0);

    /// <summary>Above the chart, in large letters.</summary>
    public required string Title { get; init; }

    /// <summary>Below the title; may be empty.</summary>
    public string Subtitle { get; init; } = "";

    /// <summary>What x is, with its unit.</summary>
    public required string XLabel { get; init; }

    /// <summary>What y is, with its unit.</summary>
    public required string YLabel { get; init; }

    /// <summary>What is shown; at least one point in all.</summary>
    public required IReadOnlyList<Series> Series { get; init; }

    /// <summary>Horizontal lines.</summary>
    public IReadOnlyList<(string Name, double Y)> References { get; init; } = [];

    /// <summary>Values above are cut off; null shows everything.</summary>
    public double? Ceiling { get; init; }

    /// <summary>Places along x and their names, where x is no measure; null puts ticks at round values, from 0 on.</summary>
    public IReadOnlyList<(double X, string Name)>? Categories { get; init; }

    /// <summary>Whether the legend stands beside the plot instead of in its upper right.</summary>
    public bool LegendBeside { get; init; }

    /// <summary>Writes the chart to a file.</summary>
    /// <param name="path">The SVG file to create or replace.</param>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(ToSvg())));

    /// <summary>The chart as SVG.</summary>
    /// <exception cref="InvalidOperationException">There is no point to show.</exception>
    public string ToSvg()
    {
        var points = Series.SelectMany(s => s.Points).Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y)).ToList();
        if (points.Count == 0) throw new InvalidOperationException($"The chart \"{Title}\" has no point to show.");
        double[] ys = [.. points.Select(p => p.Y).Concat(References.Select(r => r.Y))];
        var x = Categories is { Count: > 0 } named
            ? new Axis(named.Min(c => c.X), named.Max(c => c.X), Left + CategoryMargin, Width - Right - CategoryMargin, 8)
            : new Axis(Math.Min(0, points.Min(p => p.X)), points.Max(p => p.X), Left, Width - Right, 8);
        var y = new Axis(ys.Min(), Math.Max(Math.Min(ys.Max(), Ceiling ?? double.MaxValue), ys.Min()), Height - Bottom, Top, 7, pad: 0.06);

        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"{Ink}\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<clipPath id=\"plot\"><rect x=\"{Left - Dot}\" y=\"{Top}\" width=\"{Width - Left - Right + (2 * Dot)}\" height=\"{Height - Top - Bottom}\"/></clipPath>\n");
        Text(svg, Left, 28, Title, "start", "font-size=\"18\" font-weight=\"600\"");
        Text(svg, Left, 48, Subtitle, "start", $"fill=\"{Muted}\"");
        DrawAxes(svg, x, y);
        DrawReferences(svg, y);
        svg.Append("<g clip-path=\"url(#plot)\" fill=\"none\" stroke-linejoin=\"round\">\n");
        foreach (var series in Series) Draw(svg, series, x, y);
        svg.Append("</g>\n");
        DrawLegend(svg);
        return svg.Append("</svg>\n").ToString();
    }

    private void DrawAxes(StringBuilder svg, Axis x, Axis y)
    {
        foreach (double tick in y.Ticks)
        {
            Line(svg, Left, y.At(tick), Width - Right, y.At(tick), Grid, "");
            Text(svg, Left - 8, y.At(tick) + 4, y.Format(tick), "end", $"fill=\"{Muted}\"");
        }
        foreach (var (tick, name) in Categories ?? x.Ticks.Select(tick => (tick, x.Format(tick))))
        {
            Line(svg, x.At(tick), Height - Bottom, x.At(tick), Height - Bottom + 5, Muted, "");
            Text(svg, x.At(tick), Height - Bottom + 20, name, "middle", $"fill=\"{Muted}\"");
        }
        Line(svg, Left, Height - Bottom, Width - Right, Height - Bottom, Muted, "");
        Text(svg, (Left + Width - Right) / 2.0, Height - 18, XLabel, "middle", "");
        double middle = (Top + Height - Bottom) / 2.0;
        Text(svg, 22, middle, YLabel, "middle", FormattableString.Invariant($"transform=\"rotate(-90 22 {middle})\""));
    }

    // Names of lines that lie close together are moved apart, top to bottom.
    private void DrawReferences(StringBuilder svg, Axis y)
    {
        double free = Top;
        foreach (var (name, value) in References.Where(r => r.Y <= y.High).OrderByDescending(r => r.Y))
        {
            double at = y.At(value), label = Math.Max(at + 4, free);
            Line(svg, Left, at, Width - Right, at, Reference, "stroke-dasharray=\"5 4\"");
            Text(svg, Width - Right + 8, label, FormattableString.Invariant($"{name} {value:F2}"), "start", $"fill=\"{Reference}\"");
            free = label + 16;
        }
    }

    private static void Draw(StringBuilder svg, Series series, Axis x, Axis y)
    {
        var points = series.Points.Where(p => double.IsFinite(p.Y)).ToList();
        var (width, opacity) = series.Style == SeriesStyle.Faint ? (1.0, 0.35) : (2.0, 1.0);
        string path = string.Join(' ', points.Select(p => FormattableString.Invariant($"{x.At(p.X):F1},{y.At(p.Y):F1}")));
        svg.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{path}\" stroke=\"{series.Color}\" stroke-width=\"{width}\" opacity=\"{opacity}\"/>\n");
        if (series.Style != SeriesStyle.Dots) return;
        foreach (var (px, py) in points)
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{x.At(px):F1}\" cy=\"{y.At(py):F1}\" r=\"4.5\" fill=\"{series.Color}\" stroke=\"white\" stroke-width=\"1.5\"/>\n");
    }

    private void DrawLegend(StringBuilder svg)
    {
        double at = Top + 14;
        foreach (var series in Series.Where(s => s.Name.Length > 0))
        {
            double begin = LegendBeside ? Width - Right + 8 : Width - Right - 190;
            Line(svg, begin, at - 4, begin + 22, at - 4, series.Color, "stroke-width=\"2.5\"");
            Text(svg, begin + 30, at, series.Name, "start", "");
            at += 20;
        }
    }

    private static void Line(StringBuilder svg, double x1, double y1, double x2, double y2, string color, string attributes) =>
        svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{x1:F1}\" y1=\"{y1:F1}\" x2=\"{x2:F1}\" y2=\"{y2:F1}\" stroke=\"{color}\" {attributes}/>\n");

    private static void Text(StringBuilder svg, double x, double y, string text, string anchor, string attributes)
    {
        if (text.Length == 0) return;
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{x:F1}\" y=\"{y:F1}\" text-anchor=\"{anchor}\" {attributes}>{SecurityElement.Escape(text)}</text>\n");
    }
}
