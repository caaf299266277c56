using System.Runtime.CompilerServices;
using Memory.Gen.Runtime.Tests.Harness;
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

    [Fact]
    public void WhatNobodyDisposedIsGivenBack()
    {
        long live = LiveTensors.Count();
        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Leave()
        {
            _ = empty(8);
            using (NewDisposeScope())
                _ = empty(8).DetachFromDisposeScope();
            _ = new Holder(empty(8));
        }

        Leave();
        Assert.Equal(live + 3, Tensor.TotalCount);
        Assert.Equal(live, LiveTensors.Count());
    }

    // Finalizers run in any order: its tensor may have been given back before.
    private sealed class Holder(Tensor tensor)
    {
        ~Holder() => tensor.Dispose();
    }
}
