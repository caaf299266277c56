using Memory.Gen.Runtime.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Wrong arguments end in one sentence that names operator, argument, found and expected.</summary>
public sealed class FrontDoorTests
{
    [Fact]
    public void Wrong_rank() => Refused<ArgumentException>(
        () => LinearAttention.Apply(zeros(2, 3, 4), zeros(2, 3, 4), zeros(2, 3, 4)), "linear_attention: q has shape [2, 3, 4]; expected [B, T, H, K].");

    [Fact]
    public void Wrong_shape() => Refused<ArgumentException>(
        () => DeltaRule.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4, 5), Ones(2, 3, 4)),
        "delta_rule: k has shape [2, 3, 4, 6]; expected [B, T, H, K] = [2, 3, 4, 5], as given by q.");

    [Fact]
    public void Wrong_state() => Refused<ArgumentException>(
        () => ScalarDecay.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4), Ones(2, 4, 6, 5)),
        "scalar_decay: initialState has shape [2, 4, 6, 5]; expected [B, H, K, V] = [2, 4, 5, 6], as given by q, v.");

    [Fact]
    public void Wrong_dtype() => Refused<ArgumentException>(
        () => LinearAttention.Apply(Ones(1, 1, 1, 1).to(ScalarType.Int64), Ones(1, 1, 1, 1), Ones(1, 1, 1, 1)),
        "linear_attention: q is Int64; expected Float32, Float64, BFloat16 or Float16.");

    [Fact]
    public void Mixed_dtypes() => Refused<ArgumentException>(
        () => LinearAttention.Apply(Ones(1, 1, 1, 1), Ones(1, 1, 1, 1).to(ScalarType.Float64), Ones(1, 1, 1, 1)),
        "linear_attention: k is Float64; expected Float32, as q is.");

    [Fact]
    public void Narrow_state() => Refused<ArgumentException>(
        () => LinearAttention.Apply(Half(1, 2, 1, 1), Half(1, 2, 1, 1), Half(1, 2, 1, 1), Half(1, 1, 1, 1)),
        "linear_attention: initialState is BFloat16; a state of BFloat16 inputs is Float32.");

    [Fact]
    public void Mixed_devices() => Refused<ArgumentException>(
        () => LinearAttention.Apply(Ones(1, 1, 1, 1), Ones(1, 1, 1, 1).to(META), Ones(1, 1, 1, 1)), "linear_attention: k is on meta");

    [Fact]
    public void Missing_argument() => Refused<ArgumentNullException>(
        () => GatedDeltaRule.Apply(Ones(1, 1, 1, 1), null!, Ones(1, 1, 1, 1), Ones(1, 1, 1), Ones(1, 1, 1)), "gated_delta_rule: k is null.");

    [Fact]
    public void Missing_gate() => Refused<ArgumentNullException>(
        () => GatedDeltaRule.Apply(Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), Ones(1, 1, 1), null!), "gated_delta_rule: logDecay is null.");

    [Fact]
    public void A_gate_of_heads_where_channels_have_one() => Refused<ArgumentException>(
        () => ChannelDeltaRule.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4), Ones(2, 3, 4)),
        "channel_delta_rule: logDecay has shape [2, 3, 4]; expected [B, T, H, K] = [2, 3, 4, 5], as given by q.");

    [Fact]
    public void A_low_rank_term_of_another_size() => Refused<ArgumentException>(
        () => GeneralizedDeltaRule.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4, 5)),
        "generalized_delta_rule: b has shape [2, 3, 4, 6]; expected [B, T, H, K] = [2, 3, 4, 5], as given by q.");

    [Fact]
    public void Missing_low_rank_term() => Refused<ArgumentNullException>(
        () => GeneralizedDeltaRule.Apply(Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), null!, Ones(1, 1, 1, 1), Ones(1, 1, 1, 1)), "generalized_delta_rule: a is null.");

    [Fact]
    public void Disposed_argument()
    {
        Tensor gone = Ones(1, 1, 1, 1);
        gone.Dispose();
        Refused<ArgumentException>(() => LinearAttention.Apply(gone, Ones(1, 1, 1, 1), Ones(1, 1, 1, 1)), "linear_attention: q was disposed.");
    }

    [Fact]
    public void Disposed_gate_of_a_unit()
    {
        Tensor gone = Ones(2, 3);
        gone.Dispose();
        Refused<ArgumentException>(() => SwiGlu.Apply(gone, Ones(2, 3)), "swiglu: gate was disposed.");
    }

    [Fact]
    public void Disposed_numbers()
    {
        Tensor gone = Integers(0, 1);
        gone.Dispose();
        Refused<ArgumentException>(() => CrossEntropy.Apply(Ones(2, 3), gone), "cross_entropy: targets was disposed.");
        Refused<ArgumentException>(
            () => SegmentAttention.Apply(Ones(2, 1, 1, 3), Ones(2, 1, 1, 3), Ones(2, 1, 1, 3), null, Ones(2, 4, 1, 3), Ones(2, 4, 1, 3), gone), "segment_attention: pastLengths was disposed.");
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(2, null)]
    [InlineData(2, OperatorForm.Chunked)]
    public void Lengths_below_zero(long tokens, OperatorForm? form)
    {
        Tensor x = Ones(2, tokens, 1, 3), past = Ones(2, 4, 1, 3);
        Refused<ArgumentException>(() => SegmentAttention.Apply(x, x, x, null, past, past, Integers(2, -1), form: form), "segment_attention: pastLengths has -1 for a row; expected at least 0.");
    }

    [Fact]
    public void Bias_of_another_width_or_dtype()
    {
        foreach (bool recorded in new[] { true, false })
        {
            using var mode = set_grad_enabled(recorded);
            Linear plain = nn.Linear(3, 4, hasBias: false), wrong = nn.Linear(3, 4);
            wrong.bias = new Parameter(Ones(5));
            Refused<ArgumentException>(() => Projection.Apply(Ones(2, 3), plain, wrong), "linear: biases[1] has shape [5]; expected [K] = [4], as given by weights[1].");
            wrong.bias = new Parameter(Ones(4).to(ScalarType.Float64));
            Refused<ArgumentException>(() => Projection.Apply(Ones(2, 3), plain, wrong), "linear: biases[1] is Float64; expected Float32, as x is.");
        }
    }

    /// <summary>Without gradients calls go to the kernels directly: what does not fit is refused in the same words.</summary>
    [Fact]
    public void With_and_without_gradients_the_words_are_the_same()
    {
        using var scope = NewDisposeScope();
        Linear plain = nn.Linear(3, 3, hasBias: false);
        Tensor x = Ones(1, 2, 1, 3), gone = Ones(1, 2, 1, 3), many = Ones(1, 1, 1, 1, 1, 1, 1, 1, 1, 3);
        gone.Dispose();
        Assert.All(
            new Func<object>[]
            {
                () => LinearAttention.Apply(null!, x, x), () => LinearAttention.Apply(x, gone, x), () => LinearAttention.Apply(x, x, Ones(1, 2, 2, 3)),
                () => DeltaRule.Apply(x, x, x, Ones(1, 2)), () => ScalarDecay.Apply(x, x, x, Ones(1, 2, 1), Ones(1, 1, 3)), () => ChannelDecay.Apply(x, x, x, Ones(1, 2, 1)),
                () => RootMeanSquareNorm.Apply(null!, Ones(3)), () => RootMeanSquareNorm.Apply(x, null!), () => RootMeanSquareNorm.Apply(many, Ones(3)), () => RootMeanSquareNorm.Gated(x, Ones(3), gone),
                () => Projection.Apply(null!, plain), () => Projection.Apply(gone, plain), () => Projection.Apply(many, plain), () => Projection.Apply(x, Array.Empty<Linear>()),
                () => SwiGlu.Network(null!, plain, plain, plain), () => SwiGlu.Network(gone, plain, plain, plain), () => SwiGlu.Network(many, plain, plain, plain),
                () => LogDecay.Apply(null!, Ones(3), Ones(3)), () => LogDecay.Apply(x, Ones(3), gone), () => LogDecay.Apply(many, Ones(3), Ones(3)),
                () => LogDecay.Channels(null!, Ones(3), Ones(3)), () => LogDecay.Channels(x, Ones(2), Ones(3)), () => LogDecay.Channels(x, Ones(0), Ones(3)), () => LogDecay.Channels(x, Ones(1), Ones(6)),
                () => CausalConvolution.Heads(null!, Ones(3, 4), null, null, 1, true), () => CausalConvolution.Heads(Ones(1, 2, 3), null!, null, null, 1, true),
                () => CausalConvolution.Heads(Ones(1, 2, 3), Ones(3, 0), null, null, 1, true), () => CausalConvolution.Heads(Ones(1, 2, 3), Ones(3, 4), Ones(2), null, 1, true),
            },
            call =>
            {
                string expected = Assert.ThrowsAny<ArgumentException>(call).Message;
                using var quiet = no_grad();
                Assert.Equal(expected, Assert.ThrowsAny<ArgumentException>(call).Message);
            });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3)]
    public void Chunk_below_one(int chunk) => Refused<ArgumentOutOfRangeException>(
        () => LinearAttention.Apply(Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), chunk: chunk), $"linear_attention: chunk is {chunk}; expected at least 1.");

    [Fact]
    public void Scale_that_is_no_number() => Refused<ArgumentOutOfRangeException>(
        () => LinearAttention.Apply(Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), Ones(1, 1, 1, 1), scale: double.NaN), "linear_attention: scale is NaN; expected a finite number.");

    [Fact]
    public void Keys_without_features() => Refused<ArgumentException>(
        () => LinearAttention.Apply(Ones(1, 1, 1, 0), Ones(1, 1, 1, 0), Ones(1, 1, 1, 1)), "linear_attention: q has size 0 along K; expected at least 1.");

    [Fact]
    public void Heads_that_do_not_divide() => Refused<ArgumentException>(
        () => SegmentAttention.Apply(Ones(1, 2, 3, 4), Ones(1, 2, 2, 4), Ones(1, 2, 2, 4)), "segment_attention: q has 3 heads and k has 2; expected a multiple of those of k.");

    [Fact]
    public void Window_below_one() => Refused<ArgumentOutOfRangeException>(
        () => SegmentAttention.Apply(Ones(1, 2, 2, 4), Ones(1, 2, 2, 4), Ones(1, 2, 2, 4), 0), "segment_attention: window is 0; expected at least 1.");

    [Fact]
    public void Tail_of_another_width() => Refused<ArgumentException>(
        () => CausalConvolution.Apply(Ones(2, 5, 3), Ones(3, 4), null, Ones(2, 4, 3)), "causal_conv: initialState has shape [2, 4, 3]; expected");

    [Fact]
    public void Norm_weight_of_another_width() => Refused<ArgumentException>(
        () => RootMeanSquareNorm.Apply(Ones(2, 5), Ones(4)), "rms_norm: weight has shape [4]; expected [D] = [5], as given by x.");

    [Fact]
    public void Segments_of_another_dtype() => RefusedSegments(
        Segments.Packed(tensor(new[] { 0, 4 })), 1, "linear_scan: segments.offsets is Int32; expected Int64.");

    [Fact]
    public void Skip_of_another_dtype() => RefusedSegments(
        Segments.Skip(zeros(2, 4)), 2, "linear_scan: segments.skip is Float32; expected Bool.");

    [Fact]
    public void Segments_on_another_device() => RefusedSegments(
        Segments.Lengths(zeros([2], dtype: ScalarType.Int64, device: META)), 2, "linear_scan: segments.lengths is on meta; expected cpu, where a is.");

    [Fact]
    public void Offsets_of_another_rank() => RefusedSegments(
        Segments.Packed(Integers(0, 4).unsqueeze(0)), 1, "linear_scan: segments.offsets has shape [1, 2]; expected [S + 1] for S sequences.");

    [Fact]
    public void Lengths_of_another_rank() => RefusedSegments(
        Segments.Lengths(Integers(1, 2, 3)), 2, "linear_scan: segments.lengths has shape [3]; expected [B] = [2], as given by a.");

    [Fact]
    public void Skip_of_another_shape() => RefusedSegments(
        Segments.Skip(zeros(2, 5, dtype: ScalarType.Bool)), 2, "linear_scan: segments.skip has shape [2, 5]; expected [B, T] = [2, 4], as given by a.");

    [Fact]
    public void Packed_rows() => RefusedSegments(
        Segments.Packed(Integers(0, 4)), 2, "linear_scan: segments.offsets packs sequences into one row, and a has B = 2; expected 1.");

    [Theory]
    [InlineData(new long[] { 1, 4 }, "begins with 1; expected 0")]
    [InlineData(new long[] { 0, 3 }, "ends with 3; expected 4, the tokens of the row")]
    [InlineData(new long[] { 0, 3, 2, 4 }, "falls from 3 to 2 at 2; expected numbers that do not decrease")]
    public void Offsets_that_do_not_fit(long[] offsets, string problem) =>
        RefusedSegments(Segments.Packed(tensor(offsets)), 1, $"linear_scan: segments.offsets {problem}.");

    [Theory]
    [InlineData(-1)]
    [InlineData(5)]
    public void Lengths_that_do_not_fit(long length) => RefusedSegments(
        Segments.Lengths(Integers(4, length)), 2, $"linear_scan: segments.lengths has {length} for row 1; expected 0 to 4, the tokens of a row.");

    [Fact]
    public void States_of_another_number_of_sequences() => Refused<ArgumentException>(
        () => CausalConvolution.Apply(Ones(1, 5, 3), Ones(3, 4), null, Ones(1, 3, 3), segments: Segments.Packed(Integers(0, 2, 5))),
        "causal_conv: initialState has shape [1, 3, 3]; expected [S, P, C] = [2, 3, 3], as given by segments.offsets, weight (W - 1), x.");

    [Fact]
    public void No_segments_at_all()
    {
        Assert.Throws<ArgumentNullException>(() => Segments.Packed(null!));
        Tensor gone = Integers(0, 4);
        gone.Dispose();
        Assert.Throws<ArgumentException>(() => Segments.Lengths(gone));
    }

    [Fact]
    public void Zero_size_batches_and_heads_give_empty_outputs()
    {
        using var scope = NewDisposeScope();
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            Assert.Equal([0, 3, 2, 4], LinearAttention.Apply(Ones(0, 3, 2, 5), Ones(0, 3, 2, 5), Ones(0, 3, 2, 4), form: form).Output.shape);
            Assert.Equal([2, 3, 2, 0], LinearAttention.Apply(Ones(2, 3, 2, 5), Ones(2, 3, 2, 5), Ones(2, 3, 2, 0), form: form).Output.shape);
            Assert.Equal([2, 0, 2, 4], SegmentAttention.Apply(Ones(2, 0, 2, 5), Ones(2, 0, 2, 5), Ones(2, 0, 2, 4), form: form).shape);
        }
    }

    private static void RefusedSegments(Segments segments, long rows, string sentence) =>
        Refused<ArgumentException>(() => LinearScan.Apply(Ones(rows, 4, 3), Ones(rows, 4, 3), segments: segments), sentence);

    private static Tensor Integers(params long[] numbers) => tensor(numbers);

    private static Tensor Ones(params long[] shape) => ones(shape);

    private static Tensor Half(params long[] shape) => ones(shape, dtype: ScalarType.BFloat16);

    private static void Refused<T>(Func<object> call, string sentence) where T : Exception
    {
        using var scope = NewDisposeScope();
        T error = Assert.Throws<T>(call);
        Assert.StartsWith(sentence, error.Message, StringComparison.Ordinal);
    }
}
