namespace Memory.Gen.Runtime.Tests.Models.StateSpaces;

/// <summary>The layer of Mamba-2 token by token (Dao and Gu, arXiv 2405.21060, section 7): nothing of the runtime.</summary>
internal sealed class SharedDecayOracle : IStateSpaceOracle
{
    private const double Epsilon = 1e-6;

    private readonly Dictionary<string, double[]> weights;
    private readonly PlainConvolution convolution;
    private readonly int heads, groups, N, P;

    public SharedDecayOracle(Dictionary<string, double[]> weights, int groups)
    {
        this.weights = weights;
        this.groups = groups;
        convolution = new PlainConvolution(weights["convolution.weight"], weights["convolution.bias"]);
        heads = weights["skip"].Length;
        int inner = weights["norm.weight"].Length, mixed = weights["convolution.bias"].Length;
        (N, P) = ((mixed - inner) / 2 / groups, inner / heads);
        State = new double[heads * N * P];
    }

    /// <summary>The transpose of the paper's S: N by P for each head.</summary>
    public double[] State { get; }

    public double[] Read(double[] x)
    {
        double[] mixed = convolution.Read(weights["input.weight"].Times(x)), z = weights["gate.weight"].Times(x), dt = weights["step.weight"].Times(x);
        int inner = heads * P;
        var gated = new double[inner];
        for (int h = 0; h < heads; h++)
        {
            double delta = PlainMath.Softplus(dt[h] + weights["step_bias"][h]);
            double decay = Math.Exp(-delta * Math.Exp(weights["decay_rate"][h]));
            int group = h * groups / heads, B = inner + group * N, C = inner + (groups + group) * N;
            for (int p = 0; p < P; p++)
            {
                double input = mixed[h * P + p], y = weights["skip"][h] * input;
                for (int n = 0; n < N; n++)
                {
                    ref double state = ref State[(h * N + n) * P + p];
                    state = decay * state + delta * input * mixed[B + n];
                    y += state * mixed[C + n];
                }
                gated[h * P + p] = y * PlainMath.SiLU(z[h * P + p]);
            }
        }
        int size = inner / groups;
        for (int g = 0; g < groups; g++)
        {
            double squares = 0;
            for (int i = g * size; i < (g + 1) * size; i++)
                squares += gated[i] * gated[i];
            for (int i = g * size; i < (g + 1) * size; i++)
                gated[i] *= weights["norm.weight"][i] / Math.Sqrt(squares / size + Epsilon);
        }
        return weights["output.weight"].Times(gated);
    }
}
