using Conformance;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>The form Native of every operator that has kernels.</summary>
public sealed class KernelFormTests
{
    private const double OutputLimit = 2e-5, GradientLimit = 1e-4;

    private static readonly string[] Operators =
    [
        "linear_attention", "linear_attention_normalized", "scalar_decay", "channel_decay", "delta_rule", "gated_delta_rule", "delta_product", "delta_product without decay", "channel_delta_rule", "generalized_delta_rule",
        "gated_slot_attention", "bonus_decay", "causal_conv", "linear_scan", "selective_scan", "titans_linear", "titans_linear in blocks", "titans_mlp", "titans_mlp in blocks", "titans_mlp of three layers",
        "titans of matrix without gates", "titans of two layers, gelu, without momentum", "titans of two layers without forgetting, read at the block's start", "titans of two layers, clipped",
        "titans of matrix toward a target", "titans of two layers toward a target, clipped", "titans of three layers toward a target without momentum, read at the block's start",
        "titans of matrix with residual without forgetting, clipped", "titans of two layers with residual", "titans of two layers with residual toward a target without momentum, clipped, read at the block's start",
        "segment_attention", "segment_attention of a window", "segment_attention with two keys a token",
    ];

    public static TheoryData<string> Names => [.. Operators];

    public static TheoryData<string> Files()
    {
        var data = new TheoryData<string>();
        foreach (string name in Operators.Where(each => !each.Contains(' ')))
        {
            foreach (string path in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "fixtures"), $"{name}@*.safetensors").Order(StringComparer.Ordinal))
            {
                data.Add(Path.GetFileName(path));
            }
        }

        return data;
    }

    [Fact]
    public void The_library_is_there()
    {
        Assert.Null(KernelLibrary.Problem);
        Assert.True(KernelLibrary.IsLoaded);
        Assert.Contains(KernelLibrary.Isa, new[] { "baseline", "avx2", "avx512", "amx" });
        Assert.Contains("libMemoryGenKernels.so", KernelLibrary.Description);
    }

    [Fact]
    public void A_rule_that_only_the_CPU_has_is_refused_on_a_GPU_in_those_words()
    {
        Kernel rule = new("gated_delta_rule", onCuda: false), other = new("gated_delta_rule");
        MatrixArguments args = new() { Header = KernelHeader.Of<MatrixArguments>(ScalarType.Float32) };
        Assert.Equal("there is no CUDA kernel for it", rule.Refusal(ScalarType.Float32, new Device(DeviceType.CUDA, 0), args));
        Assert.NotEqual("there is no CUDA kernel for it", other.Refusal(ScalarType.Float32, new Device(DeviceType.CUDA, 0), args));
        Assert.Null(rule.Refusal(ScalarType.Float32, CPU, args));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Vectors_are_within_the_limits_of_float32(string file)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "fixtures", file);
        Assert.All(
            VectorRun.Compare(path, OperatorForm.Native, Precision.Of("f32"), CPU, null),
            line => Assert.True(line.Passed, $"{line.Tensor}: error {line.Error:g3}, limit {line.Limit:g3} {line.Reason}"));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Native_equals_the_reference_for_every_length(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        foreach (long T in new long[] { 0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 200 })
        {
            using var scope = NewDisposeScope();
            var random = new Randoms(40);
            (Tensor[] sequences, Tensor[] others, Tensor[] states) = (each.Sequences(random, T), each.Others(random), each.States(random));
            if (T == 0 && states.Length == 0) continue; // nothing has a gradient
            (Tensor[] expected, Tensor[] expectedGradients) = Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Reference, null);
            (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(each, Single(sequences), Single(others), Single(states), OperatorForm.Native, null);
            foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, OutputLimit, $"{name} output, T {T}");
            foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, GradientLimit, $"{name} gradient, T {T}");
        }
    }

    /// <summary>Operators that a call may leave at any token.</summary>
    public static TheoryData<string> Continuable => [.. Operators.Where(each => !each.Contains(' ') && each != "segment_attention")];

    /// <summary>Operators whose states may be absent.</summary>
    public static TheoryData<string> Empty => [.. Operators.Where(each => !each.StartsWith("titans", StringComparison.Ordinal) || each.StartsWith("titans_linear", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Continuable))]
    public void Any_split_equals_the_whole(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(41);
        (Tensor[] sequences, Tensor[] others, Tensor[] states) = (Single(each.Sequences(random, 37)), Single(each.Others(random)), Single(each.States(random)));
        (Tensor whole, Tensor[] finals) = each.Call(sequences, others, states, OperatorForm.Native, null);
        var parts = new List<Tensor>();
        long start = 0;
        foreach (long length in new long[] { 0, 1, 18, 0, 1, 17 })
        {
            Tensor[] piece = [.. sequences.Select(x => x.narrow(1, start, length))];
            (Tensor part, states) = each.Call(piece, others, states, OperatorForm.Native, null);
            parts.Add(part);
            start += length;
        }

        Numbers.Close(whole, cat(parts, 1), 1e-5, "outputs");
        foreach ((Tensor e, Tensor a) in finals.Zip(states)) Numbers.Close(e, a, 1e-5, "final state");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Strides_do_not_matter_and_no_input_changes(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(42);
        (Tensor[] sequences, Tensor[] others, Tensor[] states) = (Single(each.Sequences(random, 19)), Single(each.Others(random)), Single(each.States(random)));
        Tensor[] before = [.. sequences.Concat(others).Concat(states).Select(x => x.clone())];
        (Tensor expected, Tensor[] expectedFinals) = each.Call(sequences, others, states, OperatorForm.Native, null);
        foreach ((Tensor e, Tensor a) in before.Zip(sequences.Concat(others).Concat(states))) Assert.Equal(0, Numbers.Error(a, e));

        // Time outermost, then batch outermost with the last axis strewn.
        foreach (Func<Tensor, Tensor> lay in new Func<Tensor, Tensor>[]
        {
            x => x.transpose(0, 1).contiguous().transpose(0, 1),
            x => x.transpose(0, -1).contiguous().transpose(0, -1),
        })
        {
            (Tensor output, Tensor[] finals) = each.Call([.. sequences.Select(lay)], others, [.. states.Select(lay)], OperatorForm.Native, null);
            Assert.Equal(0, Numbers.Error(output, expected));
            foreach ((Tensor e, Tensor a) in expectedFinals.Zip(finals)) Assert.Equal(0, Numbers.Error(a, e));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Runs_and_thread_counts_give_the_same_bits(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(43);
        (Tensor[] sequences, Tensor[] others, Tensor[] states) = (Single(each.Sequences(random, 150)), Single(each.Others(random)), Single(each.States(random)));
        int threads = get_num_threads();
        try
        {
            byte[][]? first = null;
            foreach (int count in new[] { 1, 2, 1, 3 })
            {
                set_num_threads(count);
                (Tensor[] outputs, Tensor[] gradients) = Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Native, null);
                byte[][] bits = [.. outputs.Concat(gradients).Select(x => x.detach().contiguous().bytes.ToArray())];
                first ??= bits;
                for (int i = 0; i < bits.Length; i++) Assert.True(bits[i].AsSpan().SequenceEqual(first[i]), $"tensor {i} differs with {count} threads");
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    /// <summary>
    /// At ordinary decays: a strong one has its whole group of tokens computed in another way, with other last bits.
    /// </summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Later_tokens_change_no_bit_before_them(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        foreach (long first in new long[] { 1, 16, 45, 69 })
        {
            using var scope = NewDisposeScope();
            var random = new Randoms(46);
            (Tensor[] sequences, Tensor[] others, Tensor[] states) = (Single(each.Sequences(random, 70)), Single(each.Others(random)), Single(each.States(random)));
            Tensor before = each.Call(sequences, others, states, OperatorForm.Native, null).Output.clone();
            foreach ((Tensor x, Tensor other) in sequences.Zip(each.Sequences(random, 70))) x.narrow(1, first, 70 - first).copy_(other.narrow(1, first, 70 - first));
            Tensor after = each.Call(sequences, others, states, OperatorForm.Native, null).Output;
            Numbers.Close(before.narrow(1, 0, first), after.narrow(1, 0, first), 0, $"the first {first}");
            Assert.NotEqual(0, Numbers.Error(after.narrow(1, first, 1), before.narrow(1, first, 1)));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Not_a_number_stays_in_its_row(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(44);
        (Tensor[] sequences, Tensor[] others, Tensor[] states) = (Single(each.Sequences(random, 21)), Single(each.Others(random)), Single(each.States(random)));
        (Tensor[] expected, Tensor[] expectedGradients) = Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Native, null);
        foreach (Tensor input in sequences)
        {
            Tensor kept = input.clone();
            input.narrow(0, 1, 1).fill_(double.NaN);
            (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Native, null);
            foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Assert.Equal(0, Numbers.Error(a.narrow(0, 0, 1), e.narrow(0, 0, 1)));
            for (int i = 0; i < gradients.Length; i++)
            {
                // A parameter's gradient is a sum over rows.
                if (i >= sequences.Length && i < sequences.Length + others.Length) continue;
                Assert.Equal(0, Numbers.Error(gradients[i].narrow(0, 0, 1), expectedGradients[i].narrow(0, 0, 1)));
            }

            input.copy_(kept);
        }
    }

    [Theory]
    [MemberData(nameof(Empty))]
    public void Without_states_equals_with_zeros(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(45);
        (Tensor[] sequences, Tensor[] others, Tensor[] states) = (Single(each.Sequences(random, 30)), Single(each.Others(random)), Single(each.States(random)));
        (Tensor expected, Tensor[] expectedFinals) = each.Call(sequences, others, [.. states.Select(x => zeros_like(x))], OperatorForm.Native, null);
        (Tensor actual, Tensor[] finals) = each.Call(sequences, others, new Tensor[states.Length], OperatorForm.Native, null);
        Assert.Equal(0, Numbers.Error(actual, expected));
        foreach ((Tensor e, Tensor a) in expectedFinals.Zip(finals)) Assert.Equal(0, Numbers.Error(a, e));
    }

    private static Tensor[] Single(Tensor[] tensors) => [.. tensors.Select(x => x.to(ScalarType.Float32))];
}
