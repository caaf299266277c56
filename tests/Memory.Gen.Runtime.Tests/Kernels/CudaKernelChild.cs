using Conformance;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Operators;
using Memory.Gen.Runtime.Tests.State;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>A process in which tensors on the CPU go through the CUDA kernels, which run on the host then, and which says what came of every vector file and test.</summary>
internal static class CudaKernelChild
{
    /// <summary>The CUDA library as the emulator runs it.</summary>
    public static DeviceLibrary Emulated { get; } = new("cuda", KernelLibrary.CudaFile, () => [Path.Combine(AppContext.BaseDirectory, "cuda-emulated")]);

    public static int Run(string dtype)
    {
        KernelLibrary.Cpu = Emulated;
        foreach (string path in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "fixtures"), "*.safetensors").Order(StringComparer.Ordinal))
        {
            if (!CudaOperators.Names.Contains(Path.GetFileName(path).Split('@')[0])) continue;
            foreach (Comparison line in VectorRun.Compare(path, OperatorForm.Native, Precision.Of(dtype), CPU, null))
            {
                Console.WriteLine($"{(line.Passed ? "ok" : "FAIL")} {Path.GetFileName(path)} {line.Tensor} {line.Error:g3} {line.Reason}");
            }
        }

        foreach (Comparison line in LongSequence(Precision.Of(dtype))) Console.WriteLine($"{(line.Passed ? "ok" : "FAIL")} long_sequence@ {line.Tensor} {line.Error:g3}");
        foreach (var (name, test) in Others(Precision.Of(dtype)))
        {
            Exception? failure = Xunit.Record.Exception(test);
            Console.WriteLine($"{(failure is null ? "ok" : "FAIL")} {name}@ {failure?.Message.ReplaceLineEndings(" ")}");
        }

        return 0;
    }

    // Longer than those of the vector files: the kernels cut it, for which forward has a workspace.
    private static IEnumerable<Comparison> LongSequence(Precision precision)
    {
        manual_seed(1);
        Tensor[] drawn = [.. new[] { 8, 8, 7 }.Select(width => randn(1, 300, 2, width).to(precision.Inputs)), -rand(1, 300, 2)];
        Tensor[] exact = [.. drawn.Select(each => each.to(ScalarType.Float64).detach().requires_grad_())], given = [.. drawn.Select(each => each.detach().requires_grad_())];
        MemoryRead expected = ScalarDecay.Apply(exact[0], exact[1], exact[2], exact[3], form: OperatorForm.Reference), actual = ScalarDecay.Apply(given[0], given[1], given[2], given[3], form: OperatorForm.Native);
        Tensor outputs = randn_like(expected.Output), finals = randn_like(expected.FinalState);
        foreach (MemoryRead read in new[] { expected, actual }) ((read.Output.to(ScalarType.Float64) * outputs).sum() + (read.FinalState.to(ScalarType.Float64) * finals).sum()).backward();
        yield return VectorRun.Measure("out", actual.Output, expected.Output.detach(), precision.OutputLimit);
        yield return VectorRun.Measure("final_state", actual.FinalState, expected.FinalState.detach(), precision.OutputLimit);
        for (int i = 0; i < exact.Length; i++) yield return VectorRun.Measure($"gradient {i}", given[i].grad!, exact[i].grad!, precision.GradientLimit);
    }

    // What has no vector files, by the tests that it has on the CPU.
    private static IEnumerable<(string Name, Action Test)> Others(Precision precision)
    {
        var loss = new CrossEntropyTests();
        yield return ("cross_entropy", () => loss.Equals_its_formula_with_gradient(OperatorForm.Native, precision.Inputs, precision.OutputLimit));
        yield return ("cross_entropy", loss.Nothing_that_counts_is_no_number);
        yield return ("titans_step", () => TakesSteps(precision.Inputs));
        foreach (string name in TitansCase.All.Select(each => each.Name))
        {
            yield return ("titans_step", () =>
            {
                using var titans = new TitansBlocksTests();
                if (precision.Inputs == ScalarType.BFloat16) titans.Without_gradients_tokens_of_a_16_bit_model_are_read_one_by_one(name);
                else titans.Without_gradients_tokens_are_read_one_by_one_and_a_call_that_is_given_up_leaves_nothing(name);
            });
        }

        if (precision.Inputs == ScalarType.BFloat16)
        {
            yield return ("step", () => new StepStateTests().Only_the_new_state_is_rounded(OperatorForm.Native));
            yield break;
        }

        var optimizer = new OptimizerKernelTests();
        yield return ("squared_norm", optimizer.The_norm_is_that_of_all_elements);
        yield return ("adamw", () => optimizer.Steps_equal_those_of_the_optimizer(double.PositiveInfinity));
        yield return ("adamw", () => optimizer.Steps_equal_those_of_the_optimizer(2));
        yield return ("adamw", optimizer.Nothing_is_stepped_where_the_norm_is_no_number);
    }

    // Activations of the precision, and gates that may be too.
    private static void TakesSteps(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor[] Tokens(long count) => [zeros([2, count, 3, 5], dtype: dtype), zeros([2, count, 3, 4], dtype: dtype), zeros([2, count, 3])];
        Tensor[] weights = [zeros([2, 3, 5, 4])];
        Tensor[] halves = [.. Tokens(1).Select(each => each.to(dtype))];
        Xunit.Assert.NotNull(TitansStepKernel.Run(zeros([2, 1, 3, 5], dtype: dtype), halves, Tokens(7), 3, weights, [], null, null, false, new TitansOptions(8)));
        Xunit.Assert.Null(TitansStepKernel.Run(zeros([2, 1, 3, 5], dtype: ScalarType.Float64), halves, Tokens(7), 3, weights, [], null, null, false, new TitansOptions(8)));
    }
}
