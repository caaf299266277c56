namespace Memory.Gen.Runtime.Tests.Models.StateSpaces;

/// <summary>The layer of Mamba token by token (Gu and Dao, arXiv 2312.00752, section 3): nothing of the runtime.</summary>
internal sealed class SelectiveOracle(Dictionary<string, double[]> weights) : IStateSpaceOracle
{
    private readonly PlainConvolution convolution = new(weights["convolution.weight"], weights["convolution.bias"]);

    /// <summary>h, N states for each channel.</summary>
    public double[] State { get; } = new double[weights["decay_rate"].Length];

    public double[] Read(double[] x)
    {
        double[] skip = weights["skip"], bias = weights["step_bias"], rates = weights["decay_rate"];
        int channels = skip.Length, states = rates.Length / channels;
        double[] u = convolution.Read(weights["input.weight"].Times(x)), z = weights["gate.weight"].Times(x);
        double[] B = weights["write.weight"].Times(u), C = weights["read.weight"].Times(u);
        double[] raw = weights["step_up.weight"].Times(weights["step_down.weight"].Times(u));
        var gated = new double[channels];
        for (int c = 0; c < channels; c++)
        {
            double delta = PlainMath.Softplus(raw[c] + bias[c]), y = skip[c] * u[c];
            for (int n = 0; n < states; n++)
            {
                double A = -Math.Exp(rates[c * states + n]), h = Math.Exp(delta * A) * State[c * states + n] + delta * B[n] * u[c];
                State[c * states + n] = h;
                y += C[n] * h;
            }
            gated[c] = y * PlainMath.SiLU(z[c]);
        }
        return weights["output.weight"].Times(gated);
    }
}
