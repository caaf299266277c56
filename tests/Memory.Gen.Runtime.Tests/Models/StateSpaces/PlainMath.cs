namespace Memory.Gen.Runtime.Tests.Models.StateSpaces;

/// <summary>A layer read one token after the other.</summary>
internal interface IStateSpaceOracle
{
    /// <summary>All states in the order of the layer's own, after the tokens read so far.</summary>
    double[] State { get; }

    /// <summary>Reads the next token: D features in and out.</summary>
    double[] Read(double[] x);
}

/// <summary>What the equations are made of, in plain loops.</summary>
internal static class PlainMath
{
    public static double SiLU(double x) => x / (1 + Math.Exp(-x));

    /// <summary>The identity above 20, as everywhere.</summary>
    public static double Softplus(double x) => x > 20 ? x : Math.Log(1 + Math.Exp(x));

    /// <summary>A weight, row after row, times a vector.</summary>
    public static double[] Times(this double[] weight, double[] x)
    {
        var y = new double[weight.Length / x.Length];
        for (int i = 0; i < y.Length; i++)
            for (int j = 0; j < x.Length; j++)
                y[i] += weight[i * x.Length + j] * x[j];
        return y;
    }
}

/// <summary>A causal depthwise convolution with bias and SiLU; zeros stand before the first token.</summary>
internal sealed class PlainConvolution(double[] weight, double[] bias)
{
    private readonly List<double[]> past = [];

    public double[] Read(double[] x)
    {
        past.Add(x);
        int channels = bias.Length, width = weight.Length / channels;
        var y = new double[channels];
        for (int c = 0; c < channels; c++)
        {
            double sum = bias[c];
            for (int back = 0; back < width && back < past.Count; back++)
                sum += weight[c * width + width - 1 - back] * past[^(back + 1)][c];
            y[c] = PlainMath.SiLU(sum);
        }
        return y;
    }
}
