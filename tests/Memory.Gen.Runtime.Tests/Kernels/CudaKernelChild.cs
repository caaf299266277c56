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
        foreach (Comparison line in TitansResidual(Precision.Of(dtype))) Console.WriteLine($"{(line.Passed ? "ok" : "FAIL")} titans_residual@ {line.Tensor} {line.Error:g3}");
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
        return Compare("", precision, [.. new[] { 8, 8, 7 }.Select(width => randn(1, 300, 2, width).to(precision.Inputs)), -rand(1, 300, 2)], (x, form) =>
        {
            MemoryRead read = ScalarDecay.Apply(x[0], x[1], x[2], x[3], form: form);
            return [read.Output, read.FinalState];
        });
    }

    // Residual memories have no vector files. Those that forget toward zero are left out: there the norm is at its steepest, and rounding is not what is compared.
    private static IEnumerable<Comparison> TitansResidual(Precision precision) =>
        TitansCase.All.Where(each => each is { Residual: true, Case.HasKernels: true } && (each.Target || !each.Forgetting)).SelectMany(titans =>
        {
            var random = new Randoms(47);
            Tensor[] sequences = titans.Sequences(random, 19, TitansCase.B, TitansCase.H), others = titans.Others(random, TitansCase.H), states = titans.States(random, TitansCase.B, TitansCase.H);
            Tensor[] drawn = [.. sequences.Select((each, i) => each.to(i < 3 ? precision.Inputs : precision.Accumulation)), .. others.Concat(states).Select(each => each.to(precision.Accumulation))];
            int first = sequences.Length, last = first + others.Length;
            return Compare($" of {titans.Name}", precision, drawn, (x, form) =>
            {
                (Tensor output, Tensor[] finals) = titans.Call(x[..first], x[first..last], x[last..], form);
                return [output, .. finals];
            });
        });

    // What a read of the inputs gives, and the inputs' gradients, beside the loop in float64.
    private static IEnumerable<Comparison> Compare(string what, Precision precision, Tensor[] drawn, Func<Tensor[], OperatorForm, Tensor[]> read)
    {
        Tensor[] exact = [.. drawn.Select(each => each.to(ScalarType.Float64).detach().requires_grad_())], given = [.. drawn.Select(each => each.detach().requires_grad_())];
        Tensor[] expected = read(exact, OperatorForm.Reference), actual = read(given, OperatorForm.Native), factors = [.. expected.Select(each => randn_like(each))];
        foreach (Tensor[] results in new[] { expected, actual }) results.Zip(factors, (result, factor) => (result.to(ScalarType.Float64) * factor).sum()).Aggregate((x, y) => x + y).backward();
        for (int i = 0; i < expected.Length; i++) yield return VectorRun.Measure($"result {i}{what}", actual[i], expected[i].detach(), precision.OutputLimit);
        for (int i = 0; i < exact.Length; i++) yield return VectorRun.Measure($"gradient {i}{what}", given[i].grad!, exact[i].grad!, precision.GradientLimit);
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

        yield return ("titans_step", () =>
        {
            using var titans = new TitansBlocksTests();
            titans.The_kernel_library_takes_a_residual_that_fits();
        });
        var slots = new SlotTests();
        yield return ("slots_are_causal", slots.The_kernels_are_causal_to_the_last_bit);
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
