using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// Rotary positions (Su et al., RoFormer, arXiv 2104.09864): feature pairs (i, i + D/2) turn by position * theta^(-2i/D),
/// so that a query and a key see only the distance between them.
/// </summary>
public static class Rotary
{
    private const long FewNumbers = 4096;

    [ThreadStatic]
    private static FewAngles? last;

    /// <summary>Turns every head of <paramref name="x"/> by its token's position; exact at any position.</summary>
    /// <param name="x"><c>[B, T, H, D]</c>, D even.</param>
    /// <param name="positions"><c>[T]</c> or <c>[B, T]</c> int64, counted from 0.</param>
    /// <param name="theta">Base of the wavelengths, above 0.</param>
    /// <returns><c>[B, T, H, D]</c> in the element type of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentException">A head has an odd number of features.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The base is not above 0.</exception>
    public static Tensor Apply(Tensor x, Tensor positions, double theta = 10_000)
    {
        long features = x.shape[^1], half = features / 2;
        if (features % 2 != 0)
            throw new ArgumentException($"Rotary positions turn pairs of features, but a head has {features}; use an even size.", nameof(x));
        if (!(theta > 0))
            throw new ArgumentOutOfRangeException(nameof(theta), $"The rotary base is {theta}; it must be above 0.");

        if (Few(x, positions, theta) is { } turned) return turned;
        using var scope = NewDisposeScope();
        ScalarType wide = x.dtype.Wide();
        (Tensor cos, Tensor sin) = Table(positions, half, theta, wide);
        Tensor cosines = cat(new[] { cos, cos }, -1), sines = cat(new[] { -sin, sin }, -1); // [(B,) T, 1, D]
        return Turn.Run(new Angles(cosines, sines), x.to(wide))[0].to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Positions of the tokens of <paramref name="x"/>: counted on from what each row has read, or from 0.</summary>
    /// <param name="x"><c>[B, T, ...]</c>.</param>
    /// <param name="read">How many tokens each row has read, <c>[B]</c> int64; null where all begin here.</param>
    /// <returns><c>[T]</c> where all rows begin here, else <c>[B, T]</c>; int64.</returns>
    public static Tensor Positions(Tensor x, Tensor? read)
    {
        if (read is not null && x.size(1) == 1)
            return read.unsqueeze(-1);
        Tensor steps = arange(x.size(1), dtype: ScalarType.Int64, device: x.device);
        if (read is null)
            return steps;
        using (steps)
        using (Tensor starts = read.unsqueeze(-1))
            return starts + steps;
    }

    // Whole turns are dropped in float64: in float32 the angle of token one million would be wrong by several degrees.
    private static (Tensor Cosines, Tensor Sines) Table(Tensor positions, long half, double theta, ScalarType dtype)
    {
        Tensor frequencies = (arange(half, dtype: ScalarType.Float64, device: positions.device) * (-Math.Log(theta) / half)).exp() / (2 * Math.PI);
        Tensor turns = positions.to(ScalarType.Float64).unsqueeze(-1) * frequencies;       // [(B,) T, D/2]
        Tensor angle = ((turns - turns.floor()) * (2 * Math.PI)).to(dtype).unsqueeze(-2);  // [(B,) T, 1, D/2]
        return (angle.cos(), angle.sin());
    }

    // A decoded token is few numbers: one loop on the calling thread, with the same bits, and the angles once for all layers.
    private static unsafe Tensor? Few(Tensor x, Tensor positions, double theta)
    {
        long count = x.numel(), places = positions.numel();
        if (count == 0 || count > FewNumbers || x.dim() != 4 || !KernelLibrary.TakesDirectly(x)) return null;
        if (positions.dtype != ScalarType.Int64 || positions.device_type != DeviceType.CPU || !positions.is_contiguous()) return null;
        int tokens = (int)(x.size(0) * x.size(1)), heads = (int)x.size(2), half = (int)x.size(3) / 2;
        if (positions.size(-1) != x.size(1) || (places != x.size(1) && places != tokens)) return null;

        var at = new ReadOnlySpan<long>(KernelLibrary.Data(positions), (int)places);
        if (last is null || !last.IsOf(at, half, theta)) last = FewAngles.Of(positions, at, half, theta);
        Tensor y = torch.empty([x.size(0), x.size(1), heads, 2 * half], dtype: ScalarType.Float32, device: x.device);
        float* from = (float*)KernelLibrary.Data(x), to = (float*)KernelLibrary.Data(y);
        for (int row = 0; row < tokens * heads; row++, from += 2 * half, to += 2 * half)
        {
            int place = row / heads % (int)places * half;
            for (int i = 0; i < half; i++)
            {
                float cos = last.Cosines[place + i], sin = last.Sines[place + i];
                to[i] = MathF.FusedMultiplyAdd(from[half + i], -sin, from[i] * cos);
                to[half + i] = MathF.FusedMultiplyAdd(from[i], sin, from[half + i] * cos);
            }
        }

        GC.KeepAlive(x);
        GC.KeepAlive(positions);
        return y;
    }

    /// <summary>The angles of a call: those of all its layers are the same.</summary>
    private sealed record FewAngles(long[] Positions, int Half, double Theta, float[] Cosines, float[] Sines)
    {
        public static FewAngles Of(Tensor positions, ReadOnlySpan<long> at, int half, double theta)
        {
            using var scope = NewDisposeScope();
            (Tensor cos, Tensor sin) = Table(positions, half, theta, ScalarType.Float32);
            return new(at.ToArray(), half, theta, cos.data<float>().ToArray(), sin.data<float>().ToArray());
        }

        public bool IsOf(ReadOnlySpan<long> at, int half, double theta) => half == Half && theta == Theta && at.SequenceEqual(Positions);
    }

    private sealed record Angles(Tensor Cosines, Tensor Sines);

    /// <summary>
    /// y = x * cosines + swap(x) * sines, where swap exchanges the halves of the last axis. A turn's gradient is the turn
    /// back, and swapping the sines changes their sign: dx = dy * cosines - swap(dy) * sines.
    /// </summary>
    private sealed class Turn : OperatorFunction<Turn, Angles>
    {
        protected override List<Tensor> Forward(Tensor[] inputs, Angles options, List<Tensor>? saved)
        {
            saved?.AddRange([options.Cosines, options.Sines]);
            return [Apply(inputs[0], options.Cosines, options.Sines, 1)];
        }

        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Angles options) =>
            [Apply(gradients[0]!, saved[0], saved[1], -1)];

        private static Tensor Apply(Tensor x, Tensor cosines, Tensor sines, double direction) =>
            (x * cosines).addcmul_(x.roll(x.shape[^1] / 2, -1), sines, direction);
    }
}
