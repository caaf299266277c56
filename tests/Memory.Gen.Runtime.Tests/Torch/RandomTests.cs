using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class RandomTests
{
    private static double[] Draw(Generator generator) => rand(8, dtype: float64, generator: generator).data<double>().ToArray();

    [Fact]
    public void A_seed_decides_what_is_drawn()
    {
        using var scope = NewDisposeScope();
        using Generator first = new(17), second = new(17), other = new(18);
        double[] drawn = Draw(first);
        Assert.Equal(drawn, Draw(second));
        Assert.NotEqual(drawn, Draw(other));
        Assert.NotEqual(drawn, Draw(first));
        Assert.Equal(17, first.initial_seed());
    }

    [Fact]
    public void A_state_is_taken_up_again()
    {
        using var scope = NewDisposeScope();
        using Generator generator = new(5);
        Draw(generator);
        Tensor state = generator.get_state();
        double[] next = Draw(generator);
        generator.set_state(state);
        Assert.Equal(next, Draw(generator));
    }

    [Fact]
    public void A_generator_leaves_the_default_one_alone()
    {
        using var scope = NewDisposeScope();
        using Generator generator = new(5);
        Tensor before = get_rng_state();
        Draw(generator);
        Assert.True(before.Equals(get_rng_state()));
    }

    [Fact]
    public void Every_kind_of_draw_takes_a_generator()
    {
        using var scope = NewDisposeScope();
        Tensor[] All(Generator g) =>
        [
            randn(4, dtype: float64, generator: g), randint(0, 100, new long[] { 4 }, generator: g), randperm(9, generator: g),
            normal(1, 2, [4], dtype: float64, generator: g), zeros(4, dtype: float64).uniform_(2, 3, g), zeros(4, dtype: float64).normal_(0, 1, g),
            zeros(8).bernoulli_(0.5, g), ones(6).multinomial(3, generator: g), zeros(4, dtype: float64).exponential_(1, g),
        ];
        using Generator first = new(3), second = new(3);
        Assert.All(All(first).Zip(All(second)), pair => Assert.True(pair.First.Equals(pair.Second)));
    }

    [Fact]
    public void Draws_stay_in_their_ranges()
    {
        using var scope = NewDisposeScope();
        using Generator generator = new(1);
        Tensor uniform = rand(1000, generator: generator);
        Assert.True((bool)(uniform >= 0).all() && (bool)(uniform < 1).all());
        Assert.Equal(Enumerable.Range(0, 50).Select(each => (long)each), randperm(50, generator: generator).data<long>().ToArray().Order());
        Tensor integers = randint(-2, 3, new long[] { 1000 }, generator: generator);
        Assert.Equal([-2, 2], [integers.min().item<long>(), integers.max().item<long>()]);
    }
}
