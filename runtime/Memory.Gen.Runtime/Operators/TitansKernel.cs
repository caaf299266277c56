using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The Titans memories in the kernel library: a matrix, or a perceptron of up to four layers.</summary>
internal sealed unsafe class TitansKernel : KernelFunction<TitansKernel, TitansKernel.Options>
{
    private static readonly Kernel Kernel = new("titans");

    /// <summary>Why these sizes cannot run here; null when they can.</summary>
    /// <param name="door">Batch, tokens and heads.</param>
    /// <param name="options">Block and layers.</param>
    /// <param name="widths">The first layer's inputs, then every layer's outputs.</param>
    public static string? Refusal(FrontDoor door, Options options, long[] widths)
    {
        if (options.Layers > TitansArguments.MostLayers) return $"the memory has {options.Layers} layers, the kernels go up to {TitansArguments.MostLayers}";
        var args = new TitansArguments
        {
            Header = KernelHeader.Of<TitansArguments>(),
            Batch = door['B'], Tokens = door['T'], Heads = door['H'], Layers = options.Layers, Block = options.Block,
        };
        for (int l = 0; l < widths.Length; l++) args.Dims[l] = widths[l];
        return Kernel.Refusal(door, args);
    }

    /// <param name="options">Block and layers.</param>
    /// <param name="inputs">q, k, v, theta, eta, alpha, the weights, the momenta; null where an initial state is zero.</param>
    /// <returns>The output, the final weights, the final momenta.</returns>
    public static List<Tensor> Run(Options options, params Tensor?[] inputs) => Apply(options, inputs);

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        TitansArguments args = Arguments(inputs, options);
        int layers = options.Layers;
        Tensor o = torch.empty([args.Batch, args.Tokens, args.Heads, args.Dims[layers]], dtype: ScalarType.Float32);
        args.O = KernelTensor.Of(o);
        var weights = new Tensor[layers];
        var momenta = new Tensor[layers];
        for (int l = 0; l < layers; l++)
        {
            long[] shape = [args.Batch, args.Heads, args.Dims[l], args.Dims[l + 1]];
            args.FinalWeights[l] = KernelTensor.Of(weights[l] = torch.empty(shape, dtype: ScalarType.Float32));
            args.FinalMomenta[l] = KernelTensor.Of(momenta[l] = torch.empty(shape, dtype: ScalarType.Float32));
        }

        if (kept is not null)
        {
            Tensor checkpoints = torch.empty([Kernel.CheckpointBytes(args) / sizeof(float)], dtype: ScalarType.Float32);
            args.Checkpoints = KernelLibrary.Data(checkpoints);
            kept.Add(checkpoints);
        }

        Kernel.Forward(args);
        return [o, .. weights, .. momenta];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        TitansArguments args = Arguments(inputs, options);
        int layers = options.Layers;
        args.Checkpoints = KernelLibrary.Data(kept[0]);
        args.GradO = KernelTensor.Of(upstream[0]);
        args.GradQ = KernelTensor.Of(gradients[0]);
        args.GradK = KernelTensor.Of(gradients[1]);
        args.GradV = KernelTensor.Of(gradients[2]);
        args.GradTheta = KernelTensor.Of(gradients[3]);
        args.GradEta = KernelTensor.Of(gradients[4]);
        args.GradAlpha = KernelTensor.Of(gradients[5]);
        for (int l = 0; l < layers; l++)
        {
            args.GradFinalWeights[l] = KernelTensor.Of(upstream[1 + l]);
            args.GradFinalMomenta[l] = KernelTensor.Of(upstream[1 + layers + l]);
            args.GradInitialWeights[l] = KernelTensor.Of(gradients[6 + l]);
            args.GradInitialMomenta[l] = KernelTensor.Of(gradients[6 + layers + l]);
        }

        Kernel.Backward(args);
    }

    private static TitansArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        int layers = options.Layers;
        var args = new TitansArguments
        {
            Header = KernelHeader.Of<TitansArguments>(),
            Batch = shape[0], Tokens = shape[1], Heads = shape[2], Layers = layers, Block = options.Block,
            Q = KernelTensor.Of(inputs[0]), K = KernelTensor.Of(inputs[1]), V = KernelTensor.Of(inputs[2]),
            Theta = KernelTensor.Of(inputs[3]), Eta = KernelTensor.Of(inputs[4]), Alpha = KernelTensor.Of(inputs[5]),
        };
        args.Dims[0] = shape[3];
        args.Dims[layers] = inputs[2]!.shape[3];
        for (int l = 0; l < layers; l++)
        {
            if (inputs[6 + l] is { } weight) args.Dims[l + 1] = weight.shape[3];
            args.InitialWeights[l] = KernelTensor.Of(inputs[6 + l]);
            args.InitialMomenta[l] = KernelTensor.Of(inputs[6 + layers + l]);
        }

        return args;
    }

    /// <param name="Block">Tokens whose gradients are taken at the same weights.</param>
    /// <param name="Layers">Matrices of the memory.</param>
    internal sealed record Options(int Block, int Layers);
}
