using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The loss in every form against its formula, and what is said of targets that are no class.</summary>
public sealed class CrossEntropyTests
{
    private const long Ignored = -100;

    [Theory]
    [InlineData(OperatorForm.Chunked, ScalarType.Float64, 1e-12)]
    [InlineData(OperatorForm.Chunked, ScalarType.Float32, 1e-5)]
    [InlineData(OperatorForm.Native, ScalarType.Float32, 1e-5)]
    public void Equals_its_formula_with_gradient(OperatorForm form, ScalarType dtype, double limit)
    {
        foreach (long classes in new long[] { 1, 2, 17, 256, 1000 })
        {
            using var scope = NewDisposeScope();
            var random = new Randoms(70);
            Tensor logits = (random.Normal(23, classes) * 8).to(dtype), targets = arange(23).remainder(classes);
            targets[4] = Ignored;
            targets[22] = Ignored;

            Tensor exact = logits.to(ScalarType.Float64, copy: true).requires_grad_();
            Tensor counted = targets.ne(Ignored), picked = exact.gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1);
            Tensor expected = ((exact.logsumexp(1) - picked) * counted.to(ScalarType.Float64)).sum() / 21;
            (expected * 3).backward();

            Tensor leaf = logits.clone().requires_grad_();
            Tensor actual = CrossEntropy.Apply(leaf, targets, Ignored, form);
            (actual * 3).backward();
            Assert.Equal(dtype, actual.dtype);
            Numbers.Close(expected, actual, limit, $"loss of {classes} classes");
            Numbers.Close(exact.grad!, leaf.grad!, limit, $"gradient of {classes} classes");
            Assert.Equal(0, Numbers.Error(leaf.grad![4], zeros(classes)));
        }
    }

    [Theory]
    [InlineData(7, OperatorForm.Native)]
    [InlineData(-1, OperatorForm.Native)]
    [InlineData(7, OperatorForm.Chunked)]
    [InlineData(-1, OperatorForm.Chunked)]
    public void A_target_that_is_no_class_is_named(long target, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        Tensor targets = tensor(new long[] { 0, 6, target });
        var error = Assert.Throws<ArgumentException>(() => CrossEntropy.Apply(zeros(3, 7), targets, form: form));
        Assert.Contains($"targets[2] is {target}", error.Message);
        Assert.Contains("0 .. 6", error.Message);
    }

    [Fact]
    public void Nothing_that_counts_is_no_number()
    {
        using var scope = NewDisposeScope();
        Tensor targets = full(3, Ignored, dtype: ScalarType.Int64);
        foreach (OperatorForm form in new[] { OperatorForm.Chunked, OperatorForm.Native })
        {
            Assert.True(double.IsNaN(CrossEntropy.Apply(zeros(3, 7), targets, Ignored, form).item<float>()));
        }
    }
}
