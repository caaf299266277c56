using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How a sequence <c>[B, T, H, ...]</c> lies as chunks: <c>[N, B, H, C, ...]</c>, time first, so that one chunk of all heads is contiguous.</summary>
/// <remarks>The last chunk is filled up with zeros: a token with zero key, zero write strength and zero log decay changes nothing.</remarks>
internal readonly record struct ChunkLayout(long B, long T, long H, long C)
{
    /// <summary>The default chunk, by measurement: matrices large enough for BLAS, and few enough steps between chunks.</summary>
    public const long DefaultLength = 64;

    /// <summary>Chunks.</summary>
    public long N => (T + C - 1) / C;

    /// <summary>Independent memories.</summary>
    public long R => B * H;

    /// <summary>Matrices in a batch over all chunks.</summary>
    public long M => N * R;

    public static ChunkLayout Of(Tensor x, long? chunk) =>
        new(x.shape[0], x.shape[1], x.shape[2], Math.Min(chunk ?? DefaultLength, x.shape[1]));

    /// <summary><c>[B, T, H, ...]</c> as a view <c>[N, B, H, C, ...]</c>.</summary>
    public Tensor Split(Tensor x)
    {
        long[] rest = x.shape[3..];
        if (N * C != T)
        {
            Tensor padded = zeros([B, N * C, H, .. rest], dtype: x.dtype, device: x.device);
            padded.narrow(1, 0, T).copy_(x);
            x = padded;
        }

        return Swap(x.view([B, N, C, H, .. rest]));
    }

    /// <summary><c>[B, T, H, ...]</c> as contiguous matrices <c>[M, C, ...]</c>.</summary>
    public Tensor SplitMatrices(Tensor x) => Split(x).reshape([M, C, .. x.shape[3..]]);

    /// <summary>Matrices <c>[M, C, ...]</c> back to <c>[B, T, H, ...]</c>.</summary>
    public Tensor Merge(Tensor y)
    {
        long[] rest = y.shape[2..];
        Tensor x = Swap(y.view([N, B, H, C, .. rest])).reshape([B, N * C, H, .. rest]);
        return N * C == T ? x : x.narrow(1, 0, T);
    }

    // Its own inverse: [B, N, C, H, ...] <-> [N, B, H, C, ...].
    private static Tensor Swap(Tensor x) => x.dim() == 4 ? x.permute(1, 0, 3, 2) : x.permute(1, 0, 3, 2, 4);
}
