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
            Call(null, ScalarType.Float64);
        }
        finally
        {
            OperatorForms.Used -= See;
        }

        Assert.Equal([OperatorForm.Reference, OperatorForm.Native, OperatorForm.Chunked], seen.Select(use => use.Form));
        Assert.All(seen, use => Assert.Equal("linear_attention", use.Operator));
        Assert.Equal(new OperatorUse("linear_attention", OperatorForm.Chunked), OperatorForms.LastUsed);
    }

    [Fact]
    public void Segments_run_in_the_kernels_too()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones([1, 3, 1, 2]);
        foreach (Segments each in new[] { Segments.Packed(tensor(new long[] { 0, 1, 3 })), Segments.Skip(tensor(new[] { false, true, false }).unsqueeze(0)) })
        {
            LinearAttention.Apply(x, x, x, segments: each);
            Assert.Equal(OperatorForm.Native, OperatorForms.LastUsed!.Value.Form);
        }
    }

    [Fact]
    public void A_form_that_was_asked_for_does_not_fall_back()
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<NotSupportedException>(() => Call(OperatorForm.Native, ScalarType.Float64));
        Assert.Contains("linear_attention", error.Message);
        Assert.Contains("Float64", error.Message);
    }

    [Fact]
    public void A_shape_without_kernel_is_refused_when_asked_for_and_falls_back_when_not()
    {
        using var scope = NewDisposeScope();
        Tensor wide = zeros(1, 2, 1, 5000), narrow = zeros(1, 2, 1, 1);
        var error = Assert.Throws<NotSupportedException>(() => LinearAttention.Apply(wide, wide, narrow, form: OperatorForm.Native));
        Assert.Contains("5000", error.Message);
        LinearAttention.Apply(wide, wide, narrow);
        Assert.Equal(OperatorForm.Chunked, OperatorForms.LastUsed!.Value.Form);
    }

    [Fact]
    public void The_environment_forces_a_form()
    {
        using var scope = NewDisposeScope();
        const string Variable = "MEMORY_GEN_FORM";
        string? before = Environment.GetEnvironmentVariable(Variable);
        try
        {
            Set("chunked");
            Call(null);
            Assert.Equal(OperatorForm.Chunked, OperatorForms.LastUsed!.Value.Form);
            Set("Native");
            Call(null);
            Assert.Equal(OperatorForm.Native, OperatorForms.LastUsed!.Value.Form);
            Assert.Throws<NotSupportedException>(() => Call(null, ScalarType.Float64));
            Assert.Contains("'quick'", Assert.Throws<InvalidOperationException>(() => Set("quick")).Message);
            Assert.Contains("'quick'", Assert.Throws<InvalidOperationException>(() => Call(null)).Message);
        }
        finally
        {
            Set(before);
        }

        static void Set(string? form)
        {
            Environment.SetEnvironmentVariable(Variable, form);
            OperatorForms.ReadEnvironment();
        }
    }

    [Fact]
    public void Doing_without_the_kernels_is_said_once_for_each_operator()
    {
        using var scope = NewDisposeScope();
        var notes = new List<string>();
        OperatorForms.Note += notes.Add;
        try
        {
            Tensor x = ones([1, 3, 4], dtype: ScalarType.Float64);
            LinearScan.Apply(x, x);
            LinearScan.Apply(x, x);
        }
        finally
        {
            OperatorForms.Note -= notes.Add;
        }

        // Another test may have been the first.
        Assert.True(notes.Count <= 1);
        Assert.All(notes, note => Assert.Contains("linear_scan", note));
    }

    private static void Call(OperatorForm? form, ScalarType dtype = ScalarType.Float32)
    {
        Tensor x = ones([1, 3, 1, 2], dtype: dtype);
        LinearAttention.Apply(x, x, x, form: form);
    }
}
