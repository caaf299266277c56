using Memory.Gen.Runtime.Operators;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Modules;

/// <summary>
/// Depthwise causal convolution over the tokens, then SiLU: each channel mixes its last <c>width</c> values.
/// </summary>
public sealed class ShortConvolution : nn.Module<Tensor, StateTensor?, Tensor>
{
    private readonly Parameter weight;
    private readonly Parameter? bias;
    private bool registered;

    /// <param name="channels">C, size of the last axis, at least 1.</param>
    /// <param name="width">W, tokens in the window, the current one included; at least 1.</param>
    /// <param name="hasBias">Whether each channel adds a number of its own before SiLU.</param>
    /// <param name="device">Where the weight lies; null is the CPU.</param>
    /// <param name="dtype">Its element type; null is float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public ShortConvolution(long channels, long width, bool hasBias = false, Device? device = null, ScalarType? dtype = null) : base(nameof(ShortConvolution))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        weight = Initialize.Uniform([channels, width], 1 / Math.Sqrt(width), device, dtype);
        bias = hasBias ? Initialize.Uniform([channels], 1 / Math.Sqrt(width), device, dtype) : null;
        RegisterComponents();
    }

    /// <summary>Convolves <c>[B, T, C]</c>; the values before the first token are the tail's, or zeros.</summary>
    /// <param name="x"><c>[B, T, C]</c>.</param>
    /// <param name="tail"><c>[B, W-1, C]</c>, the inputs before these, replaced by the last W-1; null for none.</param>
    /// <returns><c>[B, T, C]</c>.</returns>
    public override Tensor forward(Tensor x, StateTensor? tail) => Read(x, tail);

    /// <summary>The same, its channels as heads of features.</summary>
    /// <param name="x"><c>[B, T, C]</c>.</param>
    /// <param name="heads">H, which divides C.</param>
    /// <param name="tail"><c>[B, W-1, C]</c>, the inputs before these, replaced by the last W-1; null for none.</param>
    /// <returns><c>[B, T, H, C/H]</c>.</returns>
    public Tensor Heads(Tensor x, long heads, StateTensor? tail) => IntoHeads(x, heads, tail, unit: false);

    /// <summary>The same, every head of every token brought to unit length.</summary>
    /// <param name="x"><c>[B, T, C]</c>.</param>
    /// <param name="heads">H, which divides C.</param>
    /// <param name="tail"><c>[B, W-1, C]</c>, the inputs before these, replaced by the last W-1; null for none.</param>
    /// <returns><c>[B, T, H, C/H]</c>.</returns>
    public Tensor UnitHeads(Tensor x, long heads, StateTensor? tail) => IntoHeads(x, heads, tail, unit: true);

    private Tensor IntoHeads(Tensor x, long heads, StateTensor? tail, bool unit)
    {
        var read = CausalConvolution.Heads(x, weight, bias, tail?.Value, heads, unit);
        if (tail is null) read.FinalState.Dispose();
        else tail.Update(read.FinalState);
        return read.Output;
    }

    /// <summary>Convolves several sequences in one call, each behind its own tail.</summary>
    /// <param name="x"><c>[B, T, C]</c>, or <c>[1, T, C]</c> for packed segments.</param>
    /// <param name="tails"><c>[B, W-1, C]</c>, or one for every segment; null for none.</param>
    /// <param name="segments">Null where every row is a sequence.</param>
    /// <returns>The shape of <paramref name="x"/>.</returns>
    public Tensor Read(Tensor x, IStateSlot? tails, Segments? segments = null)
    {
        using var scope = NewDisposeScope();
        var read = CausalConvolution.Apply(x, weight, bias, initialState: tails?.Value, segments: segments);
        tails?.Update(read.FinalState);
        return read.Output.MoveToOuterDisposeScope();
    }

    /// <summary>Convolves <c>[B, T, C]</c> of sequences that do not begin with nothing: inputs that never change stand before the first token.</summary>
    /// <param name="before"><c>[1, N, C]</c>, what stands there, oldest first; zeros before it.</param>
    /// <param name="x"><c>[B, T, C]</c>.</param>
    /// <param name="tail"><c>[B, W-1, C]</c>, the inputs before these, replaced by the last W-1; null where <paramref name="x"/> begins.</param>
    /// <returns><c>[B, T, C]</c>.</returns>
    public Tensor After(Tensor before, Tensor x, StateTensor? tail)
    {
        using var scope = NewDisposeScope();
        long length = weight.shape[1] - 1, N = before.shape[1];
        Tensor nothing = zeros([1, length, before.shape[2]], dtype: before.dtype, device: before.device);
        Tensor first = cat(new[] { nothing, before }, 1).narrow(1, N, length);
        var read = CausalConvolution.Apply(x, weight, bias, initialState: tail?.ValueOr(first) ?? first.repeat(x.shape[0], 1, 1));
        tail?.Update(read.FinalState);
        return read.Output.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void RegisterComponents()
    {
        if (registered)
            return;
        registered = true;
        register_parameter(nameof(weight), weight);
        if (bias is not null)
            register_parameter(nameof(bias), bias);
    }
}
