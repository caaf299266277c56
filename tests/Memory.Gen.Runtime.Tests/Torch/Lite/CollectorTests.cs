using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>What the collector hears of the memory behind tensors: of those that it may have to give back, and of no others.</summary>
public sealed class CollectorTests
{
    private const int Numbers = 1 << 21;
    private const long Bytes = 4 * Numbers;

    [Fact]
    public void OfATensorThatNoScopeOwns()
    {
        using Tensor large = empty(Numbers), small = empty(8), view = large[..16];
        Assert.Equal((Bytes, 0, 0), (large.pressure, small.pressure, view.pressure));
    }

    [Fact]
    public void NotOfATensorInAScope()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(0, empty(Numbers).pressure);
    }

    [Fact]
    public void AsTensorsEnterAndLeaveScopes()
    {
        using Tensor large = empty(Numbers);
        using (DisposeScope outer = NewDisposeScope())
        {
            outer.Attach(large);
            Assert.Equal(0, large.pressure);
            using (DisposeScope inner = NewDisposeScope())
            {
                inner.Attach(large);
                inner.MoveToOuter(large);
            }

            Assert.Equal(0, large.pressure);
            outer.Detach(large);
        }

        Assert.Equal(Bytes, large.pressure);
        large.Dispose();
        Assert.Equal(0, large.pressure);
    }
}
