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
    private const string Name = "rotary";
    private const long FewNumbers = 4096;

    /// <summary>Turns every head of <paramref name="x"/> by its token's position; exact at any position.</summary>
    /// <param name="x"><c>[B, T, H, D]</c>, D even.</param>
    /// <param name="positions"><c>[T]</c> or <c>[B, T]</c> int64, counted from 0.</param>
    /// <param name="theta">Base of the wavelengths, above 0.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked compute the same here, and the gradient of Reference has one of its own.</param>
    /// <returns><c>[B, T, H, D]</c> in the element type of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentException">A head has an odd number of features, or an argument has the wrong rank, shape, dtype or device.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The base is not above 0.</exception>
    public static Tensor Apply(Tensor x, Tensor positions, double theta = 10_000, OperatorForm? form = null)
    {
        if (!(theta > 0))
            throw new ArgumentOutOfRangeException(nameof(theta), $"The rotary base is {theta}; it must be above 0.");

        if (form is null && Few(x, positions, theta) is { } turned) return turned;
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, "BTHD");
        door.Integers(nameof(positions), positions, positions is { IsInvalid: false } && positions.dim() == 1 ? "T" : "BT");
        if (door['D'] % 2 != 0)
            throw new ArgumentException($"Rotary positions turn pairs of features, but a head has {door['D']}; use an even size.", nameof(x));
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => RotaryKernel.Refusal(door));

        using var scope = NewDisposeScope();
        (Tensor cosines, Tensor sines) = RotaryAngles.Tensors(positions, door['D'] / 2, theta, door.Accumulation); // [(B,) T, D/2]
        if (chosen == OperatorForm.Native) return Turn.Run(new Angles(cosines, sines, true), LastAxis.Contiguous(x))[0].MoveToOuterDisposeScope();
        cosines = cat(new[] { cosines, cosines }, -1).unsqueeze(-2); // [(B,) T, 1, D]
        sines = cat(new[] { -sines, sines }, -1).unsqueeze(-2);
        return Turn.Run(chosen, new Angles(cosines, sines, false), x.to(door.Accumulation))[0].to(door.Dtype).MoveToOuterDisposeScope();
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

    // A decoded token is few numbers: one loop on the calling thread, with the same bits.
    private static unsafe Tensor? Few(Tensor x, Tensor positions, double theta)
    {
        if (!KernelLibrary.TakesDirectly(x) || positions is null or { IsInvalid: true } || x.numel() is 0 or > FewNumbers || x.dim() != 4 || x.size(3) % 2 != 0) return null;
        int tokens = (int)(x.size(0) * x.size(1)), heads = (int)x.size(2), half = (int)x.size(3) / 2;
        if (!(positions.Has(x.size(1)) || positions.Has(x.size(0), x.size(1))) || RotaryAngles.Known(positions, half, theta) is not { } angles) return null;

        Tensor y = torch.empty([x.size(0), x.size(1), heads, 2 * half], dtype: ScalarType.Float32, device: x.device);
        float* from = (float*)KernelLibrary.Data(x), to = (float*)KernelLibrary.Data(y);
        for (int row = 0; row < tokens * heads; row++, from += 2 * half, to += 2 * half)
        {
            int place = row / heads * half % angles.Cosines.Length;
            for (int i = 0; i < half; i++)
            {
                float cos = angles.Cosines[place + i], sin = angles.Sines[place + i];
                to[i] = MathF.FusedMultiplyAdd(from[half + i], -sin, from[i] * cos);
                to[half + i] = MathF.FusedMultiplyAdd(from[i], sin, from[half + i] * cos);
            }
        }

        GC.KeepAlive(x);
        return y;
    }

    private sealed record Angles(Tensor Cosines, Tensor Sines, bool Native);

    /// <summary>
    /// y = x * cosines + swap(x) * sines, where swap exchanges the halves of the last axis. A turn's gradient is the turn
    /// back, and swapping the sines changes their sign: dx = dy * cosines - swap(dy) * sines.
    /// </summary>
    private sealed class Turn : OperatorFunction<Turn, Angles>
    {
        protected override List<Tensor> Forward(Tensor[] inputs, Angles options, List<Tensor>? saved)
        {
            saved?.AddRange([options.Cosines, options.Sines]);
            return [Apply(inputs[0], options.Cosines, options.Sines, 1, options.Native)];
        }

        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Angles options) =>
            [Apply(gradients[0]!, saved[0], saved[1], -1, options.Native)];

        private static Tensor Apply(Tensor x, Tensor cosines, Tensor sines, int direction, bool native) =>
            native
                ? RotaryKernel.Run(LastAxis.Contiguous(x), cosines, sines, direction)
                : (x * cosines).addcmul_(x.roll(x.shape[^1] / 2, -1), sines, direction);
    }
}
