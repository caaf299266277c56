using System.Text.Json;
using System.Xml.Linq;
using Memory.Gen.Training;
using Memory.Gen.Training.Metrics;
using Memory.Gen.Training.Reports;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class ReportTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static readonly IReadOnlyList<LossPoint> Training = [new(1, 0.5, 3), new(2, 1, 2), new(3, 1.5, 1.5)];

    private static readonly Baselines Counts = new(1.8, 1.6, 1.5, 1.4, 1.1);

    [Fact]
    public void AChartShowsEveryPointAndEveryName()
    {
        var svg = XElement.Parse(LossChart.Create("A <model>", Training, [new(2, 1, 2.5)], Counts, final: 1.7).ToSvg());

        string[] texts = [.. svg.Descendants(Svg + "text").Select(t => t.Value)];
        Assert.Contains("A <model>: loss", texts);
        Assert.Contains("training time (seconds)", texts);
        Assert.Contains("loss (bits per byte)", texts);
        Assert.Contains("3-byte counts 1.80", texts);
        Assert.Contains("3 steps, 1.700 bits per byte on held-out text", texts);
        Assert.Equal([3, 3, 1, 1], svg.Descendants(Svg + "polyline").Select(p => p.Attribute("points")!.Value.Split(' ').Length));
        Assert.Equal(2, svg.Descendants(Svg + "circle").Count());
    }

    [Fact]
    public void TheLineThroughTheLossDoesNotEndInTheNoiseOfOneStep()
    {
        LossPoint[] noisy = [.. Enumerable.Range(1, 200).Select(step => new LossPoint(step, step, step < 200 ? 1 : 3))];
        Assert.Equal(1.4, LossChart.Create("m", noisy, [], null).Series[1].Points[^1].Y, 1e-12);
    }

    [Fact]
    public void PointsLieWhereTheTicksSay()
    {
        var svg = XElement.Parse(new LineChart
        {
            Title = "t", XLabel = "x", YLabel = "y",
            Series = [new Series("s", [(0, 10), (100, 20)], SeriesStyle.Line, "#000")],
        }.ToSvg());

        // The tick labelled 20 stands at the height of the point with y = 20 (4 pixels lower, for the letters' baseline).
        double[] last = [.. svg.Descendants(Svg + "polyline").Single().Attribute("points")!.Value.Split(' ')[1].Split(',').Select(double.Parse)];
        var label = svg.Descendants(Svg + "text").Single(t => t.Value == "20" && t.Attribute("text-anchor")!.Value == "end");
        Assert.Equal(last[1] + 4, double.Parse(label.Attribute("y")!.Value), 0.2);
        var right = svg.Descendants(Svg + "text").Single(t => t.Value == "100");
        Assert.Equal(last[0], double.Parse(right.Attribute("x")!.Value), 0.2);
    }

    [Fact]
    public void PointsLieAboveTheirCategories()
    {
        var svg = XElement.Parse(new LineChart
        {
            Title = "t", XLabel = "x", YLabel = "y", Categories = [(0, "short"), (1, "long")], LegendBeside = true,
            Series = [new Series("s", [(0, 0.2), (1, 0.8)], SeriesStyle.Dots, "#000")],
        }.ToSvg());

        var texts = svg.Descendants(Svg + "text").ToList();
        double[] names = [.. new[] { "short", "long" }.Select(name => Number(texts.Single(t => t.Value == name), "x"))];
        Assert.Equal(names, svg.Descendants(Svg + "circle").Select(circle => Number(circle, "cx")));
        Assert.True(Number(texts.Single(t => t.Value == "s"), "x") > names.Max(), "the legend stands beside the plot");

        static double Number(XElement element, string attribute) => double.Parse(element.Attribute(attribute)!.Value);
    }

    // A chart's last dot lies on the edge of the plot, at the end of the training.
    [Fact]
    public void ADotOnTheEdgeIsShownWhole()
    {
        var svg = XElement.Parse(LossChart.Create("m", Training, [], Counts, final: 1.7).ToSvg());
        var dot = svg.Descendants(Svg + "circle").Single();
        var shown = svg.Descendants(Svg + "clipPath").Single().Element(Svg + "rect")!;
        Assert.True(Of(dot, "cx") + Of(dot, "r") <= Of(shown, "x") + Of(shown, "width"));

        static double Of(XElement element, string attribute) => double.Parse(element.Attribute(attribute)!.Value);
    }

    [Fact]
    public void ALongNameBesideThePlotHasRoom()
    {
        var chart = new LineChart
        {
            Title = "t", XLabel = "x", YLabel = "y", LegendBeside = true,
            Series = [new Series(new string('n', 40), [(0, 0.2), (1, 0.8)], SeriesStyle.Dots, "#000")],
        };
        var svg = XElement.Parse(chart.ToSvg());
        var name = svg.Descendants(Svg + "text").Single(t => t.Value.Length == 40);
        Assert.True(double.Parse(name.Attribute("x")!.Value) + (40 * 7) <= double.Parse(svg.Attribute("width")!.Value));
    }

    [Fact]
    public void AnEmptyChartIsAnError() =>
        Assert.Throws<InvalidOperationException>(() => LossChart.Create("m", [], [], null).ToSvg());

    [Fact]
    public void TheResultHasTheNamesThatOthersRead()
    {
        var report = new TrainingReport
        {
            Model = "HybridLM", Parameters = 7, Provider = "system", ValidationBitsPerByte = 1.5, Order3BitsPerByte = 1.8, Order4BitsPerByte = 1.6,
            Order5BitsPerByte = 1.55, GzipBitsPerByte = 1.4, BrotliBitsPerByte = 1.1, TokensPerSecond = 1000, TrainSeconds = 180, Steps = 3, TrainedTokens = 4,
            TrainedBytes = 5, Corpus = "text", TrainingBytes = 6, ValidationBytes = 8, VocabSize = 256, ByContext = [new(0, 63, 2, 64)], TrainingLoss = Training, Validations = [],
        };

        var json = JsonDocument.Parse(report.ToJson()).RootElement;

        Assert.Equal(1.5, json.GetProperty("validation_bits_per_byte").GetDouble());
        Assert.Equal(1.8, json.GetProperty("order3_bits_per_byte").GetDouble());
        Assert.Equal(1.6, json.GetProperty("order4_bits_per_byte").GetDouble());
        Assert.Equal(1.55, json.GetProperty("order5_bits_per_byte").GetDouble());
        Assert.Equal(1.1, json.GetProperty("brotli_bits_per_byte").GetDouble());
        Assert.Equal(1000, json.GetProperty("tokens_per_second").GetDouble());
        Assert.Equal(7, json.GetProperty("parameters").GetInt64());
        Assert.Equal(180, json.GetProperty("train_seconds").GetDouble());
        Assert.Equal("system", json.GetProperty("provider").GetString());
        Assert.Equal("HybridLM", json.GetProperty("model").GetString());
        Assert.Equal(3, json.GetProperty("training_loss").GetArrayLength());
    }
}
