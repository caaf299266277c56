using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static Memory.Gen.Runtime.Tests.Operators.FormNumbers;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What several writes a token are in other words, and what they can do that one cannot.</summary>
public sealed class DeltaProductTests : IDisposable
{
    private const long B = 2, T = 21, N = 3, H = 2, K = 6, V = 5;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Randoms r = new(72);

    public static TheoryData<OperatorForm> Forms => [.. Enum.GetValues<OperatorForm>()];

    public void Dispose() => scope.Dispose();

    /// <summary>Over T N tokens, of which only the first of every N fades, the plain rule has its outputs at the last of every N.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void It_is_the_delta_rule_over_its_writes(OperatorForm form)
    {
        foreach (bool fades in new[] { false, true })
        {
            Tensor q = r.Normal(B, T, H, K), k = Unit(r.Normal(B, T, N, H, K)), v = r.Normal(B, T, N, H, V), beta = r.Uniform(0, 2, B, T, N, H), g = r.Uniform(-0.5, 0, B, T, H), S = r.Normal(B, H, K, V);
            Tensor everywhere = r.Normal(B, T * N, H, K), decays = zeros([B, T * N, H], dtype: ScalarType.Float64);
            for (long t = 0; t < T; t++)
            {
                everywhere.select(1, (t * N) + N - 1).copy_(q.select(1, t));
                decays.select(1, t * N).copy_(g.select(1, t));
            }

            static Tensor Writes(Tensor x) => x.reshape([B, T * N, .. x.shape[3..]]);
            MemoryRead expected = fades
                ? GatedDeltaRule.Apply(everywhere, Writes(k), Writes(v), Writes(beta), decays, S, form: OperatorForm.Reference)
                : DeltaRule.Apply(everywhere, Writes(k), Writes(v), Writes(beta), S, form: OperatorForm.Reference);
            MemoryRead read = DeltaProduct.Apply(To(form, q), To(form, k), To(form, v), To(form, beta), fades ? To(form, g) : null, To(form, S), form: form);
            Numbers.Close(stack([.. Enumerable.Range(0, (int)T).Select(t => expected.Output.select(1, (t * N) + N - 1))], 1), read.Output, Limit(form), "output");
            Numbers.Close(expected.FinalState, read.FinalState, Limit(form), "final state");
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void One_write_a_token_is_the_gated_delta_rule(OperatorForm form)
    {
        Tensor[] x = [.. new[] { r.Normal(B, T, H, K), Unit(r.Normal(B, T, H, K)), r.Normal(B, T, H, V), r.Uniform(0, 2, B, T, H), r.Uniform(-0.5, 0, B, T, H), r.Normal(B, H, K, V) }.Select(each => To(form, each))];
        MemoryRead expected = GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: form);
        MemoryRead read = DeltaProduct.Apply(x[0], x[1].unsqueeze(2), x[2].unsqueeze(2), x[3].unsqueeze(2), x[4], x[5], form: form);
        // The two loops add in another order.
        double limit = form == OperatorForm.Reference ? 1e-14 : 0;
        Numbers.Close(expected.Output, read.Output, limit, "output");
        Numbers.Close(expected.FinalState, read.FinalState, limit, "final state");
    }

    /// <summary>
    /// Two reflections are a rotation: with two writes of strength 2 a state multiplies the permutations of three things, whatever the
    /// order of a word of them, which is the word problem of S3.
    /// </summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void Two_reflections_multiply_permutations(OperatorForm form)
    {
        const int Length = 200;
        // As swaps of two places, the first to be done first.
        (int, int)[][] elements = [[], [(0, 1)], [(0, 2)], [(1, 2)], [(0, 1), (1, 2)], [(1, 2), (0, 1)]];
        int[] word = [.. randint(0, elements.Length, [Length], dtype: ScalarType.Int64, generator: new Generator(5)).data<long>().Select(each => (int)each)];
        Tensor k = zeros([1, Length, 2, 1, 3], dtype: ScalarType.Float64), beta = zeros([1, Length, 2, 1], dtype: ScalarType.Float64);
        k.select(4, 0).fill_(1); // where nothing is written a key says nothing
        int[] places = [0, 1, 2];
        var expected = new List<Tensor>();
        for (int t = 0; t < Length; t++)
        {
            (int, int)[] swaps = elements[word[t]];
            for (int j = 0; j < swaps.Length; j++)
            {
                (int a, int b) = swaps[j];
                Tensor key = zeros(3, dtype: ScalarType.Float64);
                key[a] = Math.Sqrt(0.5);
                key[b] = -Math.Sqrt(0.5);
                k[0, t, j, 0] = key;
                beta[0, t, j, 0] = 2.0;
                (places[a], places[b]) = (places[b], places[a]);
            }

            expected.Add(eye(3, dtype: ScalarType.Float64).index_select(0, tensor(Array.ConvertAll(places, each => (long)each))));
        }

        // Three queries, one a place, as three heads that keep the same.
        Tensor Heads(Tensor x) => To(form, cat([x, x, x], 3));
        Tensor q = To(form, eye(3, dtype: ScalarType.Float64).expand(1, Length, 3, 3).contiguous()), start = To(form, eye(3, dtype: ScalarType.Float64).expand(1, 3, 3, 3).contiguous());
        MemoryRead read = DeltaProduct.Apply(q, Heads(k), Heads(zeros([1, Length, 2, 1, 3], dtype: ScalarType.Float64)), Heads(beta), initialState: start, scale: 1, form: form);
        Numbers.Close(stack(expected, 0), read.Output[0], Limit(form), "what each place holds after each word");
        Numbers.Close(expected[^1], read.FinalState[0, 0], Limit(form), "final state");
        Assert.Equal(elements.Length, word.Distinct().Count());
    }

    /// <summary>One write a token changes an identity to a symmetric matrix, and every such is at least 1.2 away from a rotation of three places.</summary>
    [Fact]
    public void One_reflection_is_no_rotation()
    {
        const long Tries = 1000;
        Tensor nothing = zeros([Tries, 1, 1, 1, 3], dtype: ScalarType.Float64), start = eye(3, dtype: ScalarType.Float64).expand(Tries, 1, 3, 3);
        Tensor key = Unit(r.Normal(Tries, 1, 1, 1, 3)), final = DeltaProduct.Apply(key.squeeze(2), key, nothing, r.Uniform(0, 2, Tries, 1, 1, 1), null, start, form: OperatorForm.Reference).FinalState;
        Tensor rotation = tensor(new double[,] { { 0, 1, 0 }, { 0, 0, 1 }, { 1, 0, 0 } });
        Assert.True((final - rotation).square().sum([1, 2, 3]).min().sqrt().item<double>() > Math.Sqrt(1.5) - 1e-12);
    }

    [Fact]
    public void What_does_not_fit_is_said()
    {
        static Tensor Ones(params long[] shape) => ones(shape);
        Assert.Contains("delta_product: k has shape [2, 3, 4, 5]; expected [B, T, N, H, K] = [2, 3, N, 4, 5]", Assert.Throws<ArgumentException>(
            () => DeltaProduct.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4))).Message);
        Assert.Contains("delta_product: beta has shape [2, 3, 4]; expected [B, T, N, H] = [2, 3, 2, 4]", Assert.Throws<ArgumentException>(
            () => DeltaProduct.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 2, 4, 5), Ones(2, 3, 2, 4, 6), Ones(2, 3, 4))).Message);
        Assert.Contains("delta_product: k has size 0 along N; expected at least 1", Assert.Throws<ArgumentException>(
            () => DeltaProduct.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 0, 4, 5), Ones(2, 3, 0, 4, 6), Ones(2, 3, 0, 4))).Message);
        Assert.Contains("delta_product: logDecay has shape [2, 3, 2, 4]; expected [B, T, H] = [2, 3, 4]", Assert.Throws<ArgumentException>(
            () => DeltaProduct.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 2, 4, 5), Ones(2, 3, 2, 4, 6), Ones(2, 3, 2, 4), Ones(2, 3, 2, 4))).Message);
    }

    private static Tensor Unit(Tensor x) => x / x.norm(-1, keepdim: true);
}
