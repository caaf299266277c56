using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How well the query of each token meets the key of each slot: y_t = scale S_t q_t with S = diag(e^g) S + s k^T.</summary>
/// <remarks>
/// S is the memory of channel decay, read along its other axis, for which the libraries have a kernel. Without one:
/// channel decay reads o_t = scale S_t^T r_t, so that y is what its backward pass makes of the gradients q, the gradient of
/// sum_t q_t o_t with respect to the readers r, whatever they are. That sum, with the gradients of y as its readers, is also
/// what y sends upstream; hence its o are the gradients of q, and its other gradients are those of s, k, g and S.
/// </remarks>
internal sealed class SlotScores : OperatorFunction<SlotScores, SlotScores.Options>
{
    protected override List<Tensor> Forward(Tensor[] inputs, Options options, List<Tensor>? saved)
    {
        if (inputs is not [var q, var k, var written, var g, var S]) throw new InvalidOperationException();
        saved?.AddRange(inputs);
        if (saved is null && options.IsStep(q))
        {
            // Of one token the state after it is all that there is to read.
            Tensor after = MatrixKernel.Run(options.Kernel, null, new(written, written, k, LogDecay: g), S).FinalState;
            return [(after.matmul(q.permute(0, 2, 3, 1).to(after.dtype)) * options.Scale).permute(0, 3, 1, 2).to(q.dtype), after];
        }

        if (options.Native) return MatrixKernel.Scores(MatrixKernel.Options.ChannelScores(options.Scale, options.Segments), q, written, k, g, S);
        (List<Tensor> outputs, List<Tensor> gradients) = options.Both(written, written, k, g, S, q, null);
        return [gradients[0], outputs[1]];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Options options)
    {
        if (saved is not [var q, var k, var written, var g, var S]) throw new InvalidOperationException();
        (List<Tensor> outputs, List<Tensor> read) = options.Both(gradients[0] ?? zeros_like(written), written, k, g, S, q, gradients[1]);
        return [outputs[0], read[2], read[1], read[3], read[4]];
    }

    /// <param name="Scale">Factor on the queries.</param>
    /// <param name="Chunk">Tokens a chunk; null for the default.</param>
    /// <param name="Native">Whether the kernel does it.</param>
    /// <param name="Segments">The kernel's; null where every row is one sequence.</param>
    internal sealed record Options(double Scale, long? Chunk, bool Native = false, SegmentLayout? Segments = null)
    {
        public MatrixKernel.Options Kernel => MatrixKernel.Options.ChannelDecay(Scale, Segments);

        /// <summary>Whether every row is one token, read by the kernel.</summary>
        public bool IsStep(Tensor q) => Native && Segments is null && q.shape[1] == 1;

        /// <summary>Both passes of channel decay: what it reads, and what gradients of that become.</summary>
        public (List<Tensor> Outputs, List<Tensor> Gradients) Both(
            Tensor readers, Tensor written, Tensor k, Tensor g, Tensor S, Tensor dOutput, Tensor? dFinal) => Native
            ? MatrixKernel.Both(Kernel, [.. new MatrixTokens(readers, written, k, LogDecay: g).All, S], [dOutput, dFinal], [false, true, true, false, true, false, false, true])
            : ChannelChunks.Both(new ChunkedOptions(Scale, Chunk), [readers, written, k, g, S], [dOutput, dFinal]);
    }
}
