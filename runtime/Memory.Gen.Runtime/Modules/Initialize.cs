using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Modules;

/// <summary>Initial values that the memory layers share. On the meta device nothing is drawn.</summary>
public static class Initialize
{
    /// <summary>Refuses an element type that the weights of a model cannot have. The first statement of every written constructor: nothing is made yet.</summary>
    /// <param name="model">Name of its class, for the message.</param>
    /// <param name="dtype">Float16, BFloat16, Float32 or Float64; null is TorchSharp's default.</param>
    /// <exception cref="ArgumentException">It is another.</exception>
    public static void RequireFloating(string model, ScalarType? dtype)
    {
        if ((dtype ?? get_default_dtype()) is not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentException($"{model} was asked for in {dtype}; its weights can be Float32, Float64, BFloat16 or Float16.", nameof(dtype));
    }

    /// <summary>
    /// Log decay rate per head, <c>A_log = ln U(1, 16)</c>, as in Mamba-2 (Dao and Gu, arXiv 2405.21060): the log decay is
    /// <c>-exp(A_log) * softplus(...)</c>.
    /// </summary>
    /// <param name="count">Number of heads.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    public static TorchSharp.Modules.Parameter DecayRate(long count, Device? device = null, ScalarType? dtype = null) =>
        Draw([count], device, dtype, shape => (Unit(shape) * 15 + 1).log());

    /// <summary>
    /// Bias of the step size before softplus, <c>softplus^-1(dt)</c> with dt log-uniform in [0.001, 0.1], as in Mamba (Gu and
    /// Dao, arXiv 2312.00752).
    /// </summary>
    /// <param name="count">Number of heads.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    public static TorchSharp.Modules.Parameter StepBias(long count, Device? device = null, ScalarType? dtype = null) =>
        Draw([count], device, dtype, shape =>
        {
            Tensor step = (Unit(shape) * Math.Log(100) + Math.Log(1e-3)).exp();
            return step + (-(-step).expm1()).log();
        });

    /// <summary>
    /// Log decay rates <c>A_log = ln(n)</c> of a channel's states n = 1 to N, the same for every channel, as in Mamba (Gu and Dao,
    /// arXiv 2312.00752): the log decay is <c>-exp(A_log)</c> times the step size.
    /// </summary>
    /// <param name="channels">C.</param>
    /// <param name="states">N, states a channel.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    /// <returns><c>[C*N]</c>: a vector, so that weight decay, which is for matrices, leaves it alone.</returns>
    public static TorchSharp.Modules.Parameter StateRates(long channels, long states, Device? device = null, ScalarType? dtype = null) =>
        Draw([channels * states], device, dtype, _ => arange(1, states + 1, dtype: ScalarType.Float32, device: CPU).log().repeat(channels));

    /// <summary>
    /// The element type of what sets a recurrence's decay, whose rounding every token multiplies again: that of a memory's state,
    /// float32 in a model of a narrower type.
    /// </summary>
    /// <param name="dtype">The model's; null is the default.</param>
    public static ScalarType Wide(ScalarType? dtype) =>
        (dtype ?? get_default_dtype()).Wide();

    /// <summary>Uniform in [-bound, bound].</summary>
    /// <param name="shape">Sizes of the axes.</param>
    /// <param name="bound">Above 0.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    public static TorchSharp.Modules.Parameter Uniform(long[] shape, double bound, Device? device = null, ScalarType? dtype = null) =>
        Draw(shape, device, dtype, sizes => (Unit(sizes) * 2 - 1) * bound);

    /// <summary>The same number everywhere.</summary>
    /// <param name="count">How many.</param>
    /// <param name="value">The number.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    public static TorchSharp.Modules.Parameter Constant(long count, double value, Device? device = null, ScalarType? dtype = null) =>
        Draw([count], device, dtype, sizes => full(sizes, value, dtype: ScalarType.Float64, device: CPU));

    /// <summary>
    /// A number for every feature of every head that rises evenly from the first of all to the last, and within each head by a curve of its own:
    /// <c>first + (last - first) n / (N - 1) + within z |z|</c>, z from -1 to 1 along a head's features. Biases of the gates of RWKV-7, in the
    /// authors' training code (https://github.com/BlinkDL/RWKV-LM): features of all speeds in each head, slow and fast heads.
    /// </summary>
    /// <param name="heads">Number of heads.</param>
    /// <param name="features">Features of each.</param>
    /// <param name="first">Where it begins.</param>
    /// <param name="last">Where it ends.</param>
    /// <param name="within">How far a head's last feature is above its middle, and its first below.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    /// <returns><c>[heads * features]</c></returns>
    public static TorchSharp.Modules.Parameter Ramp(long heads, long features, double first, double last, double within, Device? device = null, ScalarType? dtype = null) =>
        Draw([heads * features], device, dtype, _ =>
        {
            Tensor places = arange(heads * features, dtype: ScalarType.Float64, device: CPU), z = arange(features, dtype: ScalarType.Float64, device: CPU);
            z = (z * 2 / Math.Max(1, features - 1)) - (features > 1 ? 1 : 0);
            return (places * ((last - first) / Math.Max(1, (heads * features) - 1))) + first + (z * z.abs() * within).repeat(heads);
        });

    /// <summary>So many identity matrices as one vector, which weight decay leaves alone.</summary>
    /// <param name="count">How many.</param>
    /// <param name="features">Rows and columns of each.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    /// <returns><c>[count * features * features]</c>.</returns>
    public static TorchSharp.Modules.Parameter Identity(long count, long features, Device? device = null, ScalarType? dtype = null) =>
        Draw([count * features * features], device, dtype, _ => eye(features, dtype: ScalarType.Float32, device: CPU).flatten().repeat(count));

    /// <summary>Uniform with the variance <c>2 / (inputs + outputs)</c> (Glorot and Bengio, 2010), matrix by matrix.</summary>
    /// <param name="shape"><c>[..., inputs, outputs]</c>.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    public static TorchSharp.Modules.Parameter Xavier(long[] shape, Device? device = null, ScalarType? dtype = null) =>
        Uniform(shape, Math.Sqrt(6.0 / (shape[^2] + shape[^1])), device, dtype);

    /// <summary>
    /// A gate that a token sets, <c>sigmoid(W x + b)</c>: gives it a bias from which it starts near <paramref name="start"/>, in
    /// float32 or wider. <see cref="Operators.Projection"/> maps with it.
    /// </summary>
    /// <param name="gate">Its linear map, with a bias, which is replaced.</param>
    /// <param name="start">Above 0, below 1.</param>
    /// <returns><paramref name="gate"/></returns>
    public static TorchSharp.Modules.Linear Gate(TorchSharp.Modules.Linear gate, double start)
    {
        Tensor bias = gate.bias!;
        gate.bias = Constant(bias.shape[0], Math.Log(start / (1 - start)), bias.device, bias.dtype.Wide());
        return gate;
    }

    /// <summary>From N(0, deviation^2).</summary>
    /// <param name="shape">Sizes of the axes.</param>
    /// <param name="deviation">Above 0.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="dtype">Null is float32.</param>
    public static TorchSharp.Modules.Parameter Normal(long[] shape, double deviation, Device? device = null, ScalarType? dtype = null) =>
        Draw(shape, device, dtype, sizes => randn(sizes, dtype: ScalarType.Float32, device: CPU) * deviation);

    /// <summary>A parameter that belongs to its module alone, whatever dispose scope the module is made in.</summary>
    /// <param name="values">Its initial values; taken over.</param>
    public static TorchSharp.Modules.Parameter Parameter(Tensor values)
    {
        var parameter = new TorchSharp.Modules.Parameter(values);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    // Drawn in float32 on the CPU, so that a seed gives the same model on every device and in every element type.
    private static TorchSharp.Modules.Parameter Draw(long[] shape, Device? device, ScalarType? dtype, Func<long[], Tensor> draw)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var type = dtype ?? get_default_dtype();
        if (device?.type == DeviceType.META)
            return Parameter(empty(shape, dtype: type, device: device));
        Tensor values = draw(shape).to(type);
        return Parameter(device == null ? values : values.to(device));
    }

    private static Tensor Unit(long[] shape) => rand(shape, dtype: ScalarType.Float32, device: CPU);
}
