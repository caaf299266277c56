using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What a block writes whose momentum is orthogonalised.</summary>
public sealed class TitansMuonTests : IDisposable
{
    private const long B = 2, H = 2, K = 6, V = 5, Block = 8;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Randoms r = new(83);

    public static TheoryData<OperatorForm> Forms => [OperatorForm.Reference, OperatorForm.Chunked];

    public void Dispose() => scope.Dispose();

    /// <summary>The quintics act on the singular values alone, so the singular value decomposition says the same another way.</summary>
    [Theory]
    [InlineData(5, 5)]
    [InlineData(3, 7)]
    [InlineData(7, 3)]
    [InlineData(1, 4)]
    [InlineData(4, 1)]
    public void Newton_Schulz_leaves_singular_vectors_alone(long rows, long columns)
    {
        Tensor S = r.Normal(2, 3, rows, columns);
        (Tensor U, Tensor values, Tensor Vh) = linalg.svd(S, fullMatrices: false);
        Tensor x = values / values.square().sum(-1, keepdim: true).sqrt();
        foreach ((double a, double b, double c) in new[] { (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012) })
            x = (a * x) + (b * x.pow(3)) + (c * x.pow(5));
        Numbers.Close(U.matmul(x.unsqueeze(-1) * Vh), TitansMuon.Orthogonal(S), 1e-12, "matrices");
    }

    /// <summary>Whatever the scale of what was learned, a block writes as much, and as much in every direction.</summary>
    [Theory]
    [InlineData(1e-5)]
    [InlineData(1e-2)]
    [InlineData(1)]
    [InlineData(1e5)]
    public void Every_direction_is_written_alike_whatever_the_scale(double scale)
    {
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            Tensor W = zeros([B, H, K, V], dtype: ScalarType.Float64);
            TitansMlpRead read = TitansMlp.Apply(
                r.Normal(B, Block, H, K), r.Normal(B, Block, H, K), scale * r.Normal(B, Block, H, V), r.Uniform(0.2, 1, B, Block, H), r.Uniform(0, 1, B, Block, H), null, [W],
                new TitansOptions((int)Block) { ReadsBlockStart = true, Muon = 0.3 }, form: form);
            double[] written = (linalg.svdvals(read.FinalWeights[0]) / 0.3).flatten().data<double>().ToArray();
            Assert.All(written, value => Assert.InRange(value, 0.7, 1.2));
        }
    }

    [Theory, MemberData(nameof(Forms))]
    public void The_step_decides_nothing_but_what_tokens_weigh(OperatorForm form)
    {
        TitansCase variant = Variant("gated linear unit, orthogonalised, of kept norms, clipped") with { Momentum = false };
        (Tensor[] x, Tensor[] states) = (variant.Sequences(r, 23, B, H), variant.States(r, B, H));
        (Tensor expected, Tensor[] finals) = variant.Call(x, [], states, form);
        x[3].mul_(7);
        (Tensor actual, Tensor[] scaled) = variant.Call(x, [], states, form);
        Numbers.Close(expected, actual, 1e-9, "outputs");
        foreach ((Tensor e, Tensor a) in finals.Zip(scaled)) Numbers.Close(e, a, 1e-9, "weights");
        x[3].select(1, 0).mul_(7);
        Assert.True(Numbers.Error(expected, variant.Call(x, [], states, form).Output) > 1e-3);
    }

    [Theory, MemberData(nameof(Forms))]
    public void Columns_keep_their_norms(OperatorForm form)
    {
        TitansCase variant = Variant("gated linear unit, orthogonalised, of kept norms, clipped");
        (Tensor[] x, Tensor[] states) = (variant.Sequences(r, 200, B, H), variant.States(r, B, H));
        (_, Tensor[] finals) = variant.Call(x, [], states, form);
        for (int l = 0; l < 3; l++)
        {
            Numbers.Close(states[l].norm(-2), finals[l].norm(-2), 1e-10, $"norms of W_{l + 1}");
            Assert.True(Numbers.Error(states[l], finals[l]) > 0.1, $"W_{l + 1} is what it was");
        }
    }

    /// <summary>Steps of zero: nothing is written, and nothing is divided by the length of nothing.</summary>
    [Theory, MemberData(nameof(Forms))]
    public void A_momentum_of_zero_writes_nothing_and_has_gradients(OperatorForm form)
    {
        foreach (TitansCase each in TitansCase.All.Where(each => each.Options.Muon is not null))
        {
            TitansCase variant = each with { Forgetting = false, Target = false };
            Tensor[] x = variant.Sequences(r, 11, B, H), others = variant.Others(r, H), states = variant.States(r, B, H);
            x[3].zero_();
            foreach (Tensor momentum in states[variant.Depth..]) momentum.zero_();
            Tensor[] leaves = [.. x.Concat(states).Select(tensor => tensor.requires_grad_())];
            (Tensor output, Tensor[] finals) = variant.Call(x, others, states, form);
            for (int l = 0; l < variant.Depth; l++) Numbers.Close(states[l], finals[l], 1e-12, $"{variant.Name}: weights");
            foreach (Tensor? gradient in autograd.grad([output.sum() + finals[0].sum()], leaves, allow_unused: true))
                Assert.True(gradient is null || gradient.isfinite().all().item<bool>(), variant.Name);
        }
    }

    /// <summary>Packed with longer ones, a text that has ended is written no more, though its momentum is of a length that any block would write.</summary>
    [Fact]
    public void A_text_that_has_ended_is_not_written_again()
    {
        TitansCase variant = Variant("matrix, orthogonalised");
        Tensor[] x = variant.Sequences(r, 30, 1, H), states = variant.States(r, 2, H);
        (_, Tensor[] finals) = variant.Call(x, [], states, OperatorForm.Chunked, Segments.Packed(tensor(new long[] { 0, 7, 30 })));
        foreach ((long start, long length, long row) in new[] { (0L, 7L, 0L), (7, 23, 1) })
        {
            (_, Tensor[] alone) = variant.Call([.. x.Select(each => each.narrow(1, start, length))], [], [.. states.Select(each => each.narrow(0, row, 1))], OperatorForm.Reference);
            foreach ((Tensor e, Tensor a) in alone.Zip(finals)) Numbers.Close(e, a.narrow(0, row, 1), 1e-12, $"text {row}");
        }
    }

    [Fact]
    public void What_does_not_go_together_is_refused()
    {
        Tensor x = r.Normal(B, 3, H, K), theta = r.Uniform(0, 1, B, 3, H), W = r.Normal(B, H, K, K);
        string Refused<T>(TitansOptions options) where T : ArgumentException => Assert.Throws<T>(() => TitansMlp.Apply(x, x, x, theta, null, null, [W], options)).Message;
        Assert.Contains("Muon is 0; expected a number above 0, or null", Refused<ArgumentOutOfRangeException>(new TitansOptions(2) { ReadsBlockStart = true, Muon = 0 }));
        Assert.Contains("Muon was given without ReadsBlockStart", Refused<ArgumentException>(new TitansOptions(2) { Muon = 1 }));
        Assert.Contains("WeightNorm was given without Muon", Refused<ArgumentException>(new TitansOptions(2) { ReadsBlockStart = true, WeightNorm = true }));
    }

    private static TitansCase Variant(string name) => TitansCase.All.Single(each => each.Name == name);
}
