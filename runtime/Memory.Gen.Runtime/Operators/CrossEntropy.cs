using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The loss of a language model: the mean over tokens of log(sum exp(logits)) - logits[target].</summary>
public static class CrossEntropy
{
    private const string Name = "cross_entropy";

    /// <param name="logits"><c>[N, V]</c>, V at least 1.</param>
    /// <param name="targets"><c>[N]</c> int64, each in 0 .. V - 1 or <paramref name="ignored"/>. On CUDA the host does not look at them:
    /// in the form Native one that is neither makes the loss and its row's gradient NaN.</param>
    /// <param name="ignored">A target that does not count.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked are the same here.</param>
    /// <returns>One number, in the dtype of <paramref name="logits"/>; not a number when no target counts.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device, or a target on the CPU is no class.</exception>
    public static Tensor Apply(Tensor logits, Tensor targets, long ignored = -100, OperatorForm? form = null)
    {
        var door = new FrontDoor(Name);
        door.Factor(nameof(logits), logits, "NV");
        door.AtLeastOne('V');
        door.Integers(nameof(targets), targets, "N");
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => CrossEntropyKernel.Refusal(door));

        using var scope = NewDisposeScope();
        Tensor classes = targets.contiguous();
        if (classes.device_type == DeviceType.CPU) RequireClasses(classes, ignored, door['V']);
        Tensor loss = chosen == OperatorForm.Native
            ? CrossEntropyKernel.Run(logits, classes, ignored)
            : nn.functional.cross_entropy(logits, classes, ignore_index: ignored);
        return loss.MoveToOuterDisposeScope();
    }

    private static unsafe void RequireClasses(Tensor targets, long ignored, long classes)
    {
        long* target = (long*)KernelLibrary.Data(targets);
        for (long row = 0, rows = targets.numel(); row < rows; row++)
        {
            if (target[row] != ignored && (target[row] < 0 || target[row] >= classes))
            {
                throw new ArgumentException($"{Name}: targets[{row}] is {target[row]}; expected 0 .. {classes - 1}, or {ignored} for a row that does not count.", nameof(targets));
            }
        }

        GC.KeepAlive(targets);
    }
}

/// <summary>Cross entropy in the kernel library: one pass over the logits forward, one backward, and nothing of their size kept.</summary>
internal sealed unsafe class CrossEntropyKernel : KernelFunction<CrossEntropyKernel, CrossEntropyKernel.Options>
{
    private static readonly Kernel Kernel = new("cross_entropy");

    public static string? Refusal(FrontDoor door) =>
        Kernel.Refusal(door, new CrossEntropyArguments { Header = KernelHeader.Of<CrossEntropyArguments>(door.Dtype), Classes = 1 });

    /// <param name="logits"><c>[N, V]</c>.</param>
    /// <param name="targets"><c>[N]</c>, contiguous; on the CPU all are classes or ignored.</param>
    /// <param name="ignored">A target that does not count.</param>
    public static Tensor Run(Tensor logits, Tensor targets, long ignored) => Apply(new Options(ignored), logits, targets)[0];

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        CrossEntropyArguments args = Arguments(inputs, options);
        Tensor losses = Single(inputs[0]!, args.Rows), counted = inputs[1]!.ne(options.Ignored).sum();
        args.Losses = KernelTensor.Of(losses);
        Kernel.Forward(args, inputs[0]!);
        kept?.Add(counted);
        return [(Sum(losses) / counted).to(inputs[0]!.dtype)];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        CrossEntropyArguments args = Arguments(inputs, options);
        Tensor shares = (upstream[0]!.to(ScalarType.Float32) / kept[0]).expand(args.Rows);
        args.GradLosses = KernelTensor.Of(shares);
        args.GradLogits = KernelTensor.Of(gradients[0]);
        Kernel.Backward(args, inputs[0]!);
        GC.KeepAlive(shares);
    }

    // In float64, and on the CPU in order, so that the number of threads makes no difference.
    private static Tensor Sum(Tensor losses)
    {
        if (losses.device_type != DeviceType.CPU) return losses.to(ScalarType.Float64).sum();
        double sum = 0;
        float* loss = (float*)KernelLibrary.Data(losses);
        for (long row = 0, rows = losses.numel(); row < rows; row++) sum += loss[row];
        GC.KeepAlive(losses);
        return tensor(sum, dtype: ScalarType.Float64);
    }

    private static CrossEntropyArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<CrossEntropyArguments>(inputs[0]!.dtype),
            Rows = shape[0], Classes = shape[1], IgnoredTarget = options.Ignored, GradientScale = 1,
            Logits = KernelTensor.Of(inputs[0]), Targets = (long*)KernelLibrary.Data(inputs[1]!),
        };
    }

    /// <param name="Ignored">A target that does not count.</param>
    internal sealed record Options(long Ignored);
}
