using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class CardTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void TheCardIsExact(string name)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            using var subject = new Subject(name, dtype);
            using var quiet = no_grad();
            using var state = subject.NewState(3);
            Assert.Equal(subject.Card.Parameters, subject.Module.parameters().Sum(p => p.numel()));
            foreach (long tokens in new[] { 0, 1, 5, 23 })
            {
                subject.Prefill(subject.Input(3, tokens - state.Positions[0].item<long>()), state);
                Assert.Equal(3 * subject.Card.StateBytes(tokens, dtype), state.Bytes);
            }
            Assert.Equal(state.Tensors.Any(t => t.Grows), subject.Card.StateBytesBound(dtype) == null);
        }
    }

    [Fact]
    public void AModelOf70BillionParametersIsCountedWithoutMakingIt()
    {
        long before = Environment.WorkingSet;
        using var subject = new Subject(nameof(HugeModel), ScalarType.BFloat16, META);
        long parameters = subject.Module.parameters().Sum(p => p.numel());
        Assert.Equal(HugeModel.Card.Parameters, parameters);
        Assert.InRange(parameters, 60e9, 90e9);
        Assert.InRange(Environment.WorkingSet - before, long.MinValue, 500_000_000);
        Assert.True(HugeModel.Card.FlopsPerToken > 2 * (parameters - 128_256 * 8192));
    }
}
