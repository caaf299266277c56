using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Which form runs is decided as documented, and can be seen.</summary>
public sealed class OperatorFormTests
{
    [Fact]
    public void What_ran_is_observable()
    {
        using var scope = NewDisposeScope();
        var seen = new List<OperatorUse>();
        int thread = Environment.CurrentManagedThreadId;
        void See(OperatorUse use)
        {
            if (Environment.CurrentManagedThreadId == thread) seen.Add(use);
        }

        OperatorForms.Used += See;
        try
        {
            Call(OperatorForm.Reference);
            Call(null);
        }
        finally
        {
            OperatorForms.Used -= See;
        }

        Assert.Equal([new("linear_attention", OperatorForm.Reference), new("linear_attention", OperatorForm.Chunked)], seen);
        Assert.Equal(new OperatorUse("linear_attention", OperatorForm.Chunked), OperatorForms.LastUsed);
    }

    [Fact]
    public void A_form_that_was_asked_for_does_not_fall_back()
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<NotSupportedException>(() => Call(OperatorForm.Native));
        Assert.Contains("linear_attention", error.Message);
    }

    private static void Call(OperatorForm? form)
    {
        Tensor x = ones(1, 3, 1, 2);
        LinearAttention.Apply(x, x, x, form: form);
    }
}
