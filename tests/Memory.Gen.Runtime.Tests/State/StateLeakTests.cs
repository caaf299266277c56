using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

[Collection(Models.AloneCollection.Name)]
public sealed class StateLeakTests
{
    [Fact]
    public void NoTensorIsLeftBehind()
    {
        using var outer = NewDisposeScope();
        Tensor values = randn([2, 3], dtype: ScalarType.Float64);
        long before = Models.ResourceTests.Settled();
        using (var state = new SmallState(2))
        {
            for (int i = 0; i < 3; i++)
            {
                using var inner = NewDisposeScope();
                state.Advance(values);
                state.Reset(1);
                state.Detach();
                using var copy = state.Clone();
                copy.Advance(values);
            }
            Assert.Equal(before + 4, Tensor.TotalCount);
        }
        Assert.Equal(before, Tensor.TotalCount);
    }
}
