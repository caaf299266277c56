using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

[Collection(AloneCollection.Name)]
public sealed class ResourceTests
{
    public static TheoryData<string> All => Subject.All;

    public static TheoryData<string> Models => Subject.Models;

    [Theory, MemberData(nameof(All))]
    public void ATrainingStepLeavesNoTensorBehind(string name)
    {
        using var subject = new Subject(name);
        using var optimizer = optim.AdamW(subject.Module.parameters(), 1e-3);
        using var input = subject.Input(2, 70);
        using var state = subject.NewState(2);
        Train();
        long before = Settled();
        int without = Train();
        Assert.Equal(before + without, Tensor.TotalCount);

        int Train()
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            subject.Prefill(input, state).square().mean().backward();
            optimizer.step();
            state.Detach();
            return LiveTensors.WithoutTensor();
        }
    }

    [Theory, MemberData(nameof(All))]
    public void StreamingLeavesNoTensorBehindEvenWithoutAScope(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        using var input = subject.Input(1, 3);
        using var state = subject.NewState(1);
        using var token = input.select(1, 0);
        // What is made once is there after the end of a segment.
        for (int i = 0; i < 3; i++)
        {
            subject.Prefill(input, state).Dispose();
            subject.Step(token, state).Dispose();
        }

        long before = Settled();
        subject.Prefill(input, state).Dispose();
        subject.Step(token, state).Dispose();
        Assert.Equal(before, Tensor.TotalCount);
        subject.Forward(input).Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    /// <summary>Live tensors, once those that earlier tests left to the finalizer are gone.</summary>
    internal static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var drain = zeros(1);
        drain.Dispose();
        return Tensor.TotalCount;
    }

    [Fact]
    public void ThreeHundredTrainingStepsLeaveMemoryFlat() => CheckMemory(stretches: 4, steps: 60);

    [Fact, Trait("Category", "Soak")]
    public void TenThousandTrainingStepsLeaveMemoryFlat() => CheckMemory(stretches: 9, steps: 1000);

    private static void CheckMemory(int stretches, int steps)
    {
        using var subject = new Subject(nameof(HybridModel), ScalarType.Float32);
        using var optimizer = optim.AdamW(subject.Module.parameters(), 1e-3);
        using var state = subject.NewState(4);
        using var targets = randint(0, 11, [4 * 32], dtype: ScalarType.Int64);
        Train();
        // Allocators and threads make memory jump now and then; a leak makes it grow in every stretch.
        double least = double.MaxValue;
        for (int stretch = 0; stretch < stretches; stretch++)
        {
            long before = Environment.WorkingSet;
            Train();
            least = Math.Min(least, (Environment.WorkingSet - before) / 1e6);
        }
        Assert.True(least < 1.5, $"resident memory grew by at least {least:f1} MB in every {steps} steps");

        void Train()
        {
            for (int i = 0; i < steps; i++)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                if (i % 4 == 0)
                    state.Reset(i / 4 % 4);
                Tensor logits = subject.Prefill(subject.Input(4, 32), state);
                nn.functional.cross_entropy(logits.view(-1, 11), targets).backward();
                optimizer.step();
                state.Detach();
                if (i % 16 == 15)
                    state.Reset();
            }
            GC.Collect();
        }
    }

    [Theory, MemberData(nameof(Models))]
    public void ReferenceAndChunkedFormGiveTheSameNumbers(string name)
    {
        using var scope = NewDisposeScope();
        using var subject = new Subject(name);
        Tensor input = subject.Input(2, 150);
        var (chunked, chunkedGradients) = Run("chunked");
        var (reference, referenceGradients) = Run("reference");
        Numbers.Near(reference, chunked, 1e-10, "outputs");
        for (int i = 0; i < referenceGradients.Count; i++)
            Numbers.Near(referenceGradients[i], chunkedGradients[i], 1e-9, $"gradient {i}");

        (Tensor, IList<Tensor>) Run(string form)
        {
            string? before = Environment.GetEnvironmentVariable("MEMORY_GEN_FORM");
            Environment.SetEnvironmentVariable("MEMORY_GEN_FORM", form);
            OperatorForms.ReadEnvironment();
            try
            {
                Tensor output = subject.Forward(input);
                return (output, autograd.grad([output.square().mean()], [.. subject.Trained]));
            }
            finally
            {
                Environment.SetEnvironmentVariable("MEMORY_GEN_FORM", before);
                OperatorForms.ReadEnvironment();
            }
        }
    }
}
