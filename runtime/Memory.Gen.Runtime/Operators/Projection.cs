using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear maps of one input, y_i = x W_i^T + b_i, taken together: x is read once for all of them, and its gradient is one sum.</summary>
/// <remarks>A layer that goes through here is only read: forward hooks on it do not run.</remarks>
public static class Projection
{
    private const string Name = "linear";
    private const string OutputAxes = "JKLMNPQR";

    /// <summary>
    /// How exactly the kernels for the CPU multiply, forward and backward, on all threads; <see cref="MatmulPrecision.Float32"/> until it is set. A CPU that
    /// does not multiply bfloat16 numbers (<see cref="KernelLibrary.MultipliesBFloat16"/>) goes on in float32, and so do calls of fewer than eight rows,
    /// other forms and other devices.
    /// </summary>
    public static MatmulPrecision MatmulPrecision { get; set; }

    /// <summary>One linear map.</summary>
    /// <param name="x"><c>[..., in]</c>.</param>
    /// <param name="a">A layer from in to any number of features.</param>
    /// <returns><c>[..., out]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis of <paramref name="x"/> is not what the layer takes, or dtypes or devices differ.</exception>
    public static Tensor Apply(Tensor x, Linear a) => Apply(x, [a])[0];

    /// <inheritdoc cref="Apply(Tensor, Linear[], OperatorForm?)"/>
    public static (Tensor, Tensor) Apply(Tensor x, Linear a, Linear b)
    {
        Tensor[] y = Apply(x, [a, b]);
        return (y[0], y[1]);
    }

    /// <inheritdoc cref="Apply(Tensor, Linear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor) Apply(Tensor x, Linear a, Linear b, Linear c)
    {
        Tensor[] y = Apply(x, [a, b, c]);
        return (y[0], y[1], y[2]);
    }

    /// <inheritdoc cref="Apply(Tensor, Linear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor, Tensor) Apply(Tensor x, Linear a, Linear b, Linear c, Linear d)
    {
        Tensor[] y = Apply(x, [a, b, c, d]);
        return (y[0], y[1], y[2], y[3]);
    }

    /// <inheritdoc cref="Apply(Tensor, Linear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor, Tensor, Tensor) Apply(Tensor x, Linear a, Linear b, Linear c, Linear d, Linear e)
    {
        Tensor[] y = Apply(x, [a, b, c, d, e]);
        return (y[0], y[1], y[2], y[3], y[4]);
    }

    /// <inheritdoc cref="Apply(Tensor, Linear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor) Apply(Tensor x, Linear a, Linear b, Linear c, Linear d, Linear e, Linear f)
    {
        Tensor[] y = Apply(x, [a, b, c, d, e, f]);
        return (y[0], y[1], y[2], y[3], y[4], y[5]);
    }

    /// <summary>Linear maps of the same input.</summary>
    /// <param name="x"><c>[..., in]</c>, one axis to nine.</param>
    /// <param name="layers">One to eight layers from in to any numbers of features, with or without bias.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked are the same here.</param>
    /// <returns><c>[..., out]</c> for every layer, in order.</returns>
    /// <exception cref="ArgumentException">The last axis of <paramref name="x"/> is not what a layer takes, or dtypes or devices differ.</exception>
    public static Tensor[] Apply(Tensor x, Linear[] layers, OperatorForm? form = null)
    {
        if (form is null && ProjectionKernel.RunDirectly(x, layers) is { } direct) return direct;
        Tensor?[] biases = Array.ConvertAll<Linear, Tensor?>(layers, layer => layer.bias);
        return Sums(x, Array.ConvertAll<Linear, Tensor>(layers, layer => layer.weight!), biases, form);
    }

    /// <summary>Linear maps of the same input, the last ones those of gates, which are float32 or wider: 16 bits would round a bias and what is added to it, and so a sigmoid's small value, by percents.</summary>
    /// <inheritdoc cref="Apply(Tensor, Linear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor, Tensor) WithGates(Tensor x, Linear a, Linear b, Linear c, Linear gate)
    {
        Tensor[] y = WithGates(x, [a, b, c, gate], 1);
        return (y[0], y[1], y[2], y[3]);
    }

    /// <inheritdoc cref="WithGates(Tensor, Linear, Linear, Linear, Linear)"/>
    public static (Tensor, Tensor, Tensor, Tensor, Tensor) WithGates(Tensor x, Linear a, Linear b, Linear c, Linear gate, Linear gate2)
    {
        Tensor[] y = WithGates(x, [a, b, c, gate, gate2], 2);
        return (y[0], y[1], y[2], y[3], y[4]);
    }

    /// <inheritdoc cref="WithGates(Tensor, Linear, Linear, Linear, Linear)"/>
    public static (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor) WithGates(Tensor x, Linear a, Linear b, Linear c, Linear gate, Linear gate2, Linear gate3)
    {
        Tensor[] y = WithGates(x, [a, b, c, gate, gate2, gate3], 3);
        return (y[0], y[1], y[2], y[3], y[4], y[5]);
    }

    /// <summary>The linear map of one gate, float32 or wider, as those of <see cref="WithGates(Tensor, Linear, Linear, Linear, Linear)"/>.</summary>
    /// <param name="x"><c>[..., in]</c>, one axis to nine.</param>
    /// <param name="gate">From in to any number of features, with or without bias.</param>
    /// <returns><c>[..., out]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis of <paramref name="x"/> is not what the gate takes, or dtypes or devices differ.</exception>
    public static Tensor Gate(Tensor x, Linear gate) => WithGates(x, [gate], 1)[0];

    /// <summary>The map of a weight without bias, such as an embedding's.</summary>
    /// <param name="x"><c>[..., in]</c>, one axis to nine.</param>
    /// <param name="weight"><c>[out, in]</c>.</param>
    /// <returns><c>[..., out]</c>.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit, or dtypes or devices differ.</exception>
    public static Tensor Apply(Tensor x, Tensor weight) => Apply(x, [weight])[0];

    /// <summary>Linear maps of the same input by their weights.</summary>
    /// <param name="x"><c>[..., in]</c>, one axis to nine.</param>
    /// <param name="weights">One to eight, <c>[out, in]</c>.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked are the same here.</param>
    /// <returns><c>[..., out]</c> for every weight, in order.</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or dtypes or devices differ.</exception>
    public static Tensor[] Apply(Tensor x, Tensor[] weights, OperatorForm? form = null) => Run(x, weights, [], form);

    private static Tensor[] WithGates(Tensor x, Linear[] layers, int gates)
    {
        ScalarType wide = x.dtype.Wide();
        if (wide == x.dtype) return Apply(x, layers);
        Tensor[] y = layers.Length == gates ? [] : Apply(x, layers[..^gates]);
        using var scope = NewDisposeScope();
        Tensor[] weights = Array.ConvertAll(layers[^gates..], gate => gate.weight!.to(wide));
        Tensor?[] biases = Array.ConvertAll(layers[^gates..], gate => gate.bias?.to(wide));
        return [.. y, .. Sums(x.to(wide), weights, biases, null).Select(each => each.MoveToOuterDisposeScope())];
    }

    private static Tensor[] Sums(Tensor x, Tensor[] weights, Tensor?[] biases, OperatorForm? form)
    {
        Tensor[] y = Run(x, weights, biases, form);
        for (int i = 0; i < y.Length; i++)
        {
            if (biases[i] is not { } bias) continue;
            using Tensor product = y[i];
            y[i] = product + bias;
        }

        return y;
    }

    /// <summary>The products, without the biases, which are only checked.</summary>
    private static Tensor[] Run(Tensor x, Tensor[] weights, Tensor?[] biases, OperatorForm? form)
    {
        var door = new FrontDoor(Name);
        string axes = LastAxis.Names(Name, x, 'I');
        if (weights.Length < 1 || weights.Length > OutputAxes.Length)
        {
            throw new ArgumentException($"{Name}: there are {weights.Length} weights; expected 1 to {OutputAxes.Length}.", nameof(weights));
        }

        door.Factor(nameof(x), x, axes);
        for (int i = 0; i < weights.Length; i++) door.Value($"weights[{i}]", weights[i], $"{OutputAxes[i]}I");
        for (int i = 0; i < biases.Length; i++)
        {
            if (biases[i] is { } bias) door.Value($"biases[{i}]", bias, OutputAxes[i..(i + 1)]);
        }

        // On CUDA torch's own product is the fastest form, which nobody need be told.
        Func<string?>? refusal = x.device_type == DeviceType.CUDA ? null : () => ProjectionKernel.Refusal(door);
        return OperatorForms.Choose(Name, form, refusal) == OperatorForm.Native
            ? ProjectionKernel.Run(x, weights)
            : Array.ConvertAll(weights, weight => nn.functional.linear(x, weight));
    }
}
