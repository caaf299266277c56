using System.Globalization;

namespace Memory.Gen.Training.Reports;

/// <summary>A range of values laid over a range of pixels, with round ticks.</summary>
internal sealed class Axis
{
    private readonly double low, from, to, tick;

    /// <param name="low">Smallest value shown.</param>
    /// <param name="high">Largest value shown.</param>
    /// <param name="from">Pixel of the smallest.</param>
    /// <param name="to">Pixel of the largest.</param>
    /// <param name="ticks">About how many ticks.</param>
    /// <param name="pad">Share of the range added at both ends.</param>
    public Axis(double low, double high, double from, double to, int ticks, double pad = 0)
    {
        double range = high > low ? high - low : Math.Max(Math.Abs(high), 1);
        this.low = low - pad * range;
        High = low + range + pad * range;
        (this.from, this.to) = (from, to);
        double rough = range / ticks, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        tick = power * (rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
    }

    /// <summary>The largest value shown.</summary>
    public double High { get; }

    /// <summary>Round values within the range.</summary>
    public IEnumerable<double> Ticks
    {
        get
        {
            for (long i = (long)Math.Ceiling(low / tick); i * tick <= High + 1e-9 * tick; i++) yield return i * tick;
        }
    }

    /// <summary>The pixel of a value.</summary>
    public double At(double value) => from + (value - low) / (High - low) * (to - from);

    /// <summary>A tick's value with as many decimals as ticks need.</summary>
    public string Format(double value) =>
        value.ToString("N" + Math.Max(0, (int)Math.Ceiling(-Math.Log10(tick) - 1e-9)).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
