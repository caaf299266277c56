using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>One token of a Titans memory in the kernel libraries, where no gradient is wanted: the running block stays where it lies.</summary>
internal static unsafe class TitansStepKernel
{
    private static readonly Lazy<Functions> Cpu = new(() => new(KernelLibrary.Cpu)), Cuda = new(() => new(KernelLibrary.Cuda));

    /// <summary>Reads the token that comes so many tokens after its block began.</summary>
    /// <param name="q">Queries <c>[B, 1, H, K]</c>.</param>
    /// <param name="tokens">Keys, values, theta, and eta and alpha where there are any: <c>[B, 1, H, ...]</c>.</param>
    /// <param name="past">The same of the block's tokens before: <c>[B, block - 1, H, ...]</c>; none where the block is one token.</param>
    /// <param name="place">How many of them count.</param>
    /// <param name="weights">The weights that the block began with, one a layer.</param>
    /// <param name="momenta">Their momenta; none without momentum.</param>
    /// <param name="target">What forgetting leads to, one a layer; null for zeros.</param>
    /// <param name="gamma">Factor <c>[H, V]</c> of the residual; null for the plain network.</param>
    /// <param name="forgetting">Whether there is an alpha.</param>
    /// <param name="options">The rule.</param>
    /// <returns>What the token read, and the weights and momenta after it where it ends its block; null for a call of another kind.</returns>
    public static (Tensor Output, Tensor[] Weights, Tensor[] Momenta)? Run(
        Tensor q, Tensor[] tokens, Tensor[] past, long place, IReadOnlyList<Tensor> weights, IReadOnlyList<Tensor> momenta, IReadOnlyList<Tensor>? target, Tensor? gamma, bool forgetting, TitansOptions options)
    {
        ScalarType dtype = q.dtype;
        if (is_grad_enabled() || options.DecaysFirst || options.GatedLinearUnit || options.Muon is not null || weights.Count > TitansArguments.MostLayers || KernelLibrary.Refusal(dtype, q.device) is not null) return null;
        tokens = [tokens[0], tokens[1], .. tokens[2..].Select(Gates.Single)!];
        Tensor[] toward = target is null ? [] : [.. target.Select(KernelTensor.Dense)]; // mostly one for all rows
        if (!Lie(dtype, [q, .. tokens[..2], .. past.Take(2)]) || !Lie(ScalarType.Float32, [.. tokens[2..], .. past.Skip(2), .. weights, .. momenta]) || !Are(ScalarType.Float32, toward)) return null;
        Functions step = q.device_type == DeviceType.CUDA ? Cuda.Value : Cpu.Value;
        bool momentum = momenta.Count > 0;
        Tensor k = tokens[0], v = tokens[1];
        gamma = Gates.Single(gamma)?.contiguous();
        if (q.dim() != 4 || v.dim() != 4) return null;
        long B = q.size(0), H = q.size(2), K = q.size(3), V = v.size(3), room = options.Block - 1;
        int layers = weights.Count, last = tokens.Length - 1;
        if (!q.Has(B, 1, H, K) || !AreOf(tokens, 1) || !AreOf(past, room) || !Chain(weights) || !Chain(momenta) || !Chain(toward)) return null;
        if (target is not null && (toward.Length != layers || !forgetting)) return null; // refused by name elsewhere
        if (gamma is not null && (K != V || !Are(ScalarType.Float32, [gamma]) || !gamma.Has(H, V))) return null;
        TitansStepArguments args = new()
        {
            Header = KernelHeader.Of<TitansStepArguments>(dtype), Batch = B, Heads = H, Layers = layers, Block = options.Block, Read = place,
            Activation = (long)options.Activation, ReadsBlockStart = options.ReadsBlockStart ? 1 : 0, Momentum = momentum ? 1 : 0, DecaysToTarget = target is null ? 0 : 1, Residual = gamma is null ? 0 : 1, Clip = options.Clip ?? 0,
            Q = KernelTensor.Tokens(q, H, K), K = KernelTensor.Tokens(k, H, K), V = KernelTensor.Tokens(v, H, V), Theta = KernelTensor.Tokens(tokens[2], H, 1),
        };
        if (gamma is not null) args.Gamma = KernelTensor.Tokens(gamma, 0, V); // one for all rows
        if (momentum) args.Eta = KernelTensor.Tokens(tokens[3], H, 1);
        if (forgetting) args.Alpha = KernelTensor.Tokens(tokens[last], H, 1);
        if (past.Length > 0)
        {
            (args.PastK, args.PastV, args.PastTheta) = (Past(past[0], room, H, K), Past(past[1], room, H, V), Past(past[2], room, H, 1));
            if (momentum) args.PastEta = Past(past[3], room, H, 1);
            if (forgetting) args.PastAlpha = Past(past[last], room, H, 1);
        }

        args.Dims[0] = K;
        for (int l = 0; l < layers; l++)
        {
            args.Dims[l + 1] = weights[l].size(3);
            args.Weights[l] = KernelTensor.Of(weights[l]);
            if (momentum) args.Momenta[l] = KernelTensor.Of(momenta[l]);
            if (target is not null) args.Target[l] = KernelTensor.Of(toward[l]);
        }

        if (step.WorkspaceSize == null || step.WorkspaceSize(&args) < 0 || !OperatorForms.TakesKernel("titans_mlp")) return null;
        Tensor o = torch.empty([B, 1, H, V], dtype: dtype, device: q.device);
        args.O = KernelTensor.Tokens(o, H, V);
        Tensor[] finalWeights = [], finalMomenta = [];
        if (place == room)
        {
            finalWeights = [.. weights.Select(each => torch.empty_like(each))];
            finalMomenta = [.. momenta.Select(each => torch.empty_like(each))];
            for (int l = 0; l < layers; l++)
            {
                args.FinalWeights[l] = KernelTensor.Of(finalWeights[l]);
                if (momentum) args.FinalMomenta[l] = KernelTensor.Of(finalMomenta[l]);
            }
        }

        if (q.device_type != DeviceType.CUDA) KernelLibrary.FollowThreads(); // each of them has a part of the workspace
        using (step.Library.Use(o)) Kernel.Call(step.Library, step.Function, &args, step.WorkspaceSize(&args), o);
        GC.KeepAlive(q);
        GC.KeepAlive(tokens);
        GC.KeepAlive(past);
        GC.KeepAlive(weights);
        GC.KeepAlive(momenta);
        GC.KeepAlive(toward);
        GC.KeepAlive(gamma);
        return (o, finalWeights, finalMomenta);

        // Whether the kernel can work on these where they lie.
        bool Lie(ScalarType dtype, Tensor[] x) => Are(dtype, x) && Array.TrueForAll(x, each => each.is_contiguous());

        bool Are(ScalarType dtype, Tensor[] x)
        {
            foreach (Tensor each in x)
                if (each.IsInvalid || each.dtype != dtype || each.device_type != q.device_type || each.device_index != q.device_index) return false;
            return true;
        }

        bool AreOf(Tensor[] x, long T)
        {
            for (int i = 0; i < x.Length; i++)
                if (i == 0 ? !x[i].Has(B, T, H, K) : i == 1 ? !x[i].Has(B, T, H, V) : !x[i].Has(B, T, H)) return false;
            return true;
        }

        bool Chain(IReadOnlyList<Tensor> matrices)
        {
            long width = K;
            foreach (Tensor each in matrices)
            {
                if (each.dim() != 4 || !each.Has(B, H, width, each.size(3))) return false;
                width = each.size(3);
            }

            return matrices.Count == 0 || width == V;
        }
    }

    // [B, T, H, N] that lie one behind the other.
    private static KernelTensor Past(Tensor tensor, long tokens, long heads, long features)
    {
        KernelTensor view = KernelTensor.Tokens(tensor, tokens, heads * features);
        (view.Stride[2], view.Stride[3]) = (features, 1);
        return view;
    }

    private sealed class Functions(DeviceLibrary library)
    {
        public DeviceLibrary Library => library;

        public readonly delegate* unmanaged[Cdecl]<void*, long> WorkspaceSize = (delegate* unmanaged[Cdecl]<void*, long>)library.Export("memgen_titans_step_workspace_size");

        public readonly delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int> Function = (delegate* unmanaged[Cdecl]<void*, void*, nuint, void*, int>)library.Export("memgen_titans_step");
    }
}
