using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Memory.Gen.Runtime.Tests.Torch;

public class FunctionalTests
{
    private static readonly double[] Points = [-50, -30, -3, -1, -1e-3, 0, 1e-3, 0.5, 2, 30, 50];

    public static TheoryData<string, Func<Tensor, Tensor>, Func<double, double>> Activations => new()
    {
        { "relu", x => functional.relu(x), x => Math.Max(x, 0) },
        { "silu", x => functional.silu(x), x => x * Logistic(x) },
        { "sigmoid", x => functional.sigmoid(x), Logistic },
        { "tanh", x => functional.tanh(x), Math.Tanh },
        { "gelu by tanh", x => functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh), x => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) },
        { "logsigmoid", x => functional.logsigmoid(x), x => Math.Min(x, 0) - Math.Log(1 + Math.Exp(-Math.Abs(x))) },
        { "softplus", x => functional.softplus(x, 1, 100), x => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x))) },
        { "mish", x => functional.mish(x), x => x * Math.Tanh(x > 20 ? x : Math.Log(1 + Math.Exp(x))) },
        { "leaky_relu", x => functional.leaky_relu(x, 0.1), x => x > 0 ? x : 0.1 * x },
        { "elu", x => functional.elu(x, 2), x => x > 0 ? x : 2 * (Math.Exp(x) - 1) },
    };

    private static double Logistic(double x) => 1 / (1 + Math.Exp(-x));

    [Theory]
    [MemberData(nameof(Activations))]
    public void Activations_follow_their_formulas(string name, Func<Tensor, Tensor> function, Func<double, double> formula)
    {
        using var scope = NewDisposeScope();
        Assert.NotEmpty(name);
        Numbers.AssertClose([.. Points.Select(formula)], Numbers.Values(function(Numbers.Tensor(Points))), 1e-12);
    }

    [Fact]
    public void Exact_gelu_is_x_times_the_normal_distribution()
    {
        using var scope = NewDisposeScope();
        // Phi(1) and Phi(-2), to fifteen digits.
        Numbers.AssertClose([0.841344746068543, -2 * 0.0227501319481792], Numbers.Values(functional.gelu(Numbers.Tensor([1, -2]))), 1e-14);
    }

    [Fact]
    public void In_place_activations_change_their_input()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([-1, 2]);
        Tensor y = functional.relu(x, inplace: true);
        Numbers.AssertClose([0, 2], Numbers.Values(x));
        Assert.NotSame(x, y);
    }

    [Fact]
    public void Cross_entropy_ignores_an_index_and_smooths_labels()
    {
        using var scope = NewDisposeScope();
        double[] scores = Numbers.Sequence(12);
        long[] targets = [2, -100, 0];
        double Loss(int row, double smoothing)
        {
            double[] s = scores[(4 * row)..(4 * row + 4)];
            double normalizer = Math.Log(s.Sum(Math.Exp));
            return (1 - smoothing) * (normalizer - s[targets[row]]) + smoothing * s.Average(v => normalizer - v);
        }

        Tensor input = Numbers.Tensor(scores, 3, 4), target = tensor(targets);
        Numbers.AssertClose([(Loss(0, 0) + Loss(2, 0)) / 2], Numbers.Values(functional.cross_entropy(input, target)));
        Numbers.AssertClose([Loss(0, 0.1) + Loss(2, 0.1)], Numbers.Values(functional.cross_entropy(input, target, reduction: Reduction.Sum, label_smoothing: 0.1)));
        Numbers.AssertClose([Loss(0, 0), 0, Loss(2, 0)], Numbers.Values(functional.cross_entropy(input, target, reduction: Reduction.None)));
        using var module = CrossEntropyLoss(ignore_index: 2);
        Numbers.AssertClose([Loss(2, 0)], Numbers.Values(module.call(input[TensorIndex.Slice(0, 3, 2)], tensor(new long[] { 2, 0 }))));
    }

    [Fact]
    public void Other_losses_follow_their_formulas()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, -2, 3]), y = Numbers.Tensor([0.5, 0, 1]);
        Numbers.AssertClose([(0.25 + 4 + 4) / 3], Numbers.Values(functional.mse_loss(x, y)));
        Numbers.AssertClose([0.5 + 2 + 2], Numbers.Values(functional.l1_loss(x, y, Reduction.Sum)));
        Numbers.AssertClose([1, -2, 3, .. new double[] { 0.5, 0, 1 }.Zip([1.0, -2, 3]).Select(p => Math.Log(1 + Math.Exp(p.Second)) - p.First * p.Second)],
            [.. Numbers.Values(x), .. Numbers.Values(functional.binary_cross_entropy_with_logits(x, y, reduction: Reduction.None))]);
        Numbers.AssertClose([-(-2 + 1) / 2.0], Numbers.Values(functional.nll_loss(Numbers.Tensor([1, 7, 7, -2], 2, 2), tensor(new long[] { 0, 1 }))));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Attention_is_softmax_of_scaled_scores(bool causal, bool masked)
    {
        using var scope = NewDisposeScope();
        const int B = 2, L = 3, S = 4, D = 5;
        double[] q = Numbers.Sequence(B * L * D, 1), k = Numbers.Sequence(B * S * D, 2), v = Numbers.Sequence(B * S * D, 3);
        bool Sees(int i, int j) => causal ? j <= i : !masked || (i + j) % 2 == 0;
        var expected = new double[B * L * D];
        for (int b = 0; b < B; b++)
            for (int i = 0; i < L; i++)
            {
                double[] weights = [.. Enumerable.Range(0, S).Select(j => !Sees(i, j) ? 0
                    : Math.Exp(Enumerable.Range(0, D).Sum(d => q[(b * L + i) * D + d] * k[(b * S + j) * D + d]) / Math.Sqrt(D)))];
                for (int d = 0; d < D; d++)
                    expected[(b * L + i) * D + d] = Enumerable.Range(0, S).Sum(j => weights[j] / weights.Sum() * v[(b * S + j) * D + d]);
            }

        bool[] sees = [.. from i in Enumerable.Range(0, L) from j in Enumerable.Range(0, S) select Sees(i, j)];
        Tensor Shaped(double[] values, int tokens) => Numbers.Tensor(values, B, tokens, D);
        Tensor? mask = masked ? tensor(sees).reshape(L, S) : null;
        Numbers.AssertClose(expected, Numbers.Values(functional.scaled_dot_product_attention(Shaped(q, L), Shaped(k, S), Shaped(v, S), mask, 0, causal)));
        if (!masked) return;
        Tensor added = zeros(L, S, dtype: float64).masked_fill(mask!.logical_not(), double.NegativeInfinity);
        Numbers.AssertClose(expected, Numbers.Values(functional.scaled_dot_product_attention(Shaped(q, L), Shaped(k, S), Shaped(v, S), added)));
        Assert.Throws<ArgumentException>(() => functional.scaled_dot_product_attention(Shaped(q, L), Shaped(k, S), Shaped(v, S), added, 0, true));
    }

    [Fact]
    public void Padding_convolution_and_normalization_follow_their_definitions()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2, 3], 1, 1, 3);
        Numbers.AssertClose([9, 9, 1, 2, 3, 9], Numbers.Values(functional.pad(x, (2, 1), value: 9)));
        Numbers.AssertClose([3, 2, 1, 2, 3, 2], Numbers.Values(functional.pad(x, new long[] { 2, 1 }, PaddingModes.Reflect)));
        Numbers.AssertClose([1, 1, 2, 3, 3], Numbers.Values(functional.pad(x, (1, 1), PaddingModes.Replicate)));
        Numbers.AssertClose([1 * 1 + 2 * 10, 2 * 1 + 3 * 10], Numbers.Values(functional.conv1d(x, Numbers.Tensor([1, 10], 1, 1, 2))));
        Numbers.AssertClose([0.6, -0.8, 0, 1], Numbers.Values(functional.normalize(Numbers.Tensor([3, -4, 0, 2], 2, 2))));
        Numbers.AssertClose([0, 1, 0, 0, 0, 1], Numbers.Values(functional.one_hot(tensor(new long[] { 1, 2 }), 3)));
        double deviation = Math.Sqrt(2.0 / 3 + 1e-5);
        Numbers.AssertClose([-1 / deviation, 0, 1 / deviation], Numbers.Values(functional.layer_norm(x, [3])));
        Numbers.AssertClose([0, 1 + 2 * 2 + 3], Numbers.Values(functional.linear(Numbers.Tensor([1, 2, 1]), Numbers.Tensor([0, 0, 0, 1, 2, 3], 2, 3))));
    }

    [Fact]
    public void A_convolution_of_same_padding_keeps_the_length()
    {
        using var scope = NewDisposeScope();
        using var same = Conv1d(2, 4, 4, Padding.Same, dilation: 3, groups: 2);
        Assert.Equal([1, 4, 20], same.call(ones(1, 2, 20)).shape);
        Assert.Equal([4, 1, 4], same.weight.shape);
        using var circular = Conv1d(1, 1, 3, 1, 1, padding_mode: PaddingModes.Circular, bias: false);
        circular.weight = new Parameter(tensor(new float[] { 1, 10, 100 }).reshape(1, 1, 3));
        Numbers.AssertClose([3 + 10 + 200, 1 + 20 + 300, 2 + 30 + 100], Numbers.Values(circular.call(tensor(new float[] { 1, 2, 3 }).reshape(1, 1, 3))));
        Assert.Equal(["weight"], circular.state_dict().Keys);
    }

    [Fact]
    public void Embedding_reads_rows_and_leaves_the_padding_without_gradient()
    {
        using var scope = NewDisposeScope();
        using var table = Embedding(4, 3, padding_idx: -2, dtype: float64);
        Tensor rows = table.call(tensor(new long[] { 3, 2, 3 }));
        double[] weight = Numbers.Values(table.weight);
        Numbers.AssertClose([.. weight[9..12], 0, 0, 0, .. weight[9..12]], Numbers.Values(rows));
        rows.sum().backward();
        Numbers.AssertClose([0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2], Numbers.Values(table.weight!.grad!));
    }

    [Fact]
    public void Dropout_scales_what_it_keeps_and_rests_in_evaluation()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        Tensor y = functional.dropout(ones(10_000, dtype: float64), 0.25);
        double[] values = Numbers.Values(y);
        Assert.Equal(new HashSet<double> { 0, 1 / 0.75 }, values.ToHashSet());
        Assert.InRange(values.Count(v => v == 0), 2300, 2700);
        Numbers.AssertClose([1, 1], Numbers.Values(functional.dropout(ones(2), 0.9, training: false)));
    }
}
