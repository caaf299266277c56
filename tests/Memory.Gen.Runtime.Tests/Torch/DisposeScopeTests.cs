using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class DisposeScopeTests
{
    [Fact]
    public void A_scope_disposes_what_was_made_in_it()
    {
        Tensor outside = ones(2);
        Tensor inside;
        using (var scope = NewDisposeScope())
        {
            inside = outside + 1;
            Assert.Equal(1, scope.DisposablesCount);
            Assert.True(scope.Contains(inside));
        }
        Assert.True(inside.IsInvalid);
        Assert.False(outside.IsInvalid);
        outside.Dispose();
    }

    [Fact]
    public void A_result_moves_to_the_scope_around()
    {
        using var outer = NewDisposeScope();
        Tensor kept;
        using (NewDisposeScope())
            kept = (ones(2) * 2).MoveToOuterDisposeScope();
        Assert.False(kept.IsInvalid);
        Assert.True(outer.Contains(kept));
        Assert.Equal(1, outer.DisposablesCount);
    }

    [Fact]
    public void Without_a_scope_around_moving_out_detaches()
    {
        Tensor kept;
        using (NewDisposeScope())
            kept = ones(2).MoveToOuterDisposeScope();
        Assert.False(kept.IsInvalid);
        kept.Dispose();
    }

    [Fact]
    public void A_detached_tensor_stays()
    {
        Tensor kept;
        using (NewDisposeScope())
            kept = ones(2).DetachFromDisposeScope();
        Assert.False(kept.IsInvalid);
        kept.Dispose();
    }

    [Fact]
    public void Attaching_takes_a_tensor_over()
    {
        Tensor t = ones(2);
        using (NewDisposeScope())
        using (var inner = NewDisposeScope())
        {
            inner.Attach(t);
            t.MoveToOuterDisposeScope();
            Assert.False(inner.Contains(t));
        }
        Assert.True(t.IsInvalid);
    }

    [Fact]
    public void Everything_but_some_is_disposed()
    {
        using var scope = NewDisposeScope();
        Tensor a = ones(1), b = ones(1), c = ones(1), d = ones(1);
        (Tensor first, Tensor second) = scope.DisposeEverythingBut(b, d);
        Assert.Same(b, first);
        Assert.Same(d, second);
        Assert.True(a.IsInvalid && c.IsInvalid);
        Assert.False(b.IsInvalid || d.IsInvalid);
        Assert.Equal(2, scope.DisposablesCount);
    }

    [Fact]
    public void Disposing_in_any_order_keeps_the_books_right()
    {
        using var scope = NewDisposeScope();
        Tensor[] all = Enumerable.Range(0, 20).Select(_ => ones(1)).ToArray();
        foreach (int k in new[] { 3, 19, 0, 7, 1 })
            all[k].Dispose();
        Assert.Equal(15, scope.DisposablesCount);
        scope.DisposeEverything();
        Assert.All(all, each => Assert.True(each.IsInvalid));
        Assert.Equal(0, scope.DisposablesCount);
    }

    [Fact]
    public void A_scope_left_out_of_order_does_not_strand_the_others()
    {
        using var outer = NewDisposeScope();
        DisposeScope middle = NewDisposeScope();
        using (var inner = NewDisposeScope())
        {
            middle.Dispose();
            Tensor t = ones(1).MoveToOuterDisposeScope();
            Assert.True(outer.Contains(t));
            Assert.Same(inner, CurrentDisposeScope);
        }
        Assert.Same(outer, CurrentDisposeScope);
    }

    [Fact]
    public void Scopes_belong_to_their_thread()
    {
        using var scope = NewDisposeScope();
        DisposeScope? seen = scope;
        Tensor? made = null;
        var thread = new Thread(() =>
        {
            seen = CurrentDisposeScope;
            made = ones(1);
        });
        thread.Start();
        thread.Join();
        Assert.Null(seen);
        Assert.Equal(0, scope.DisposablesCount);
        made!.Dispose();
    }

    [Fact]
    public void Statistics_count_what_happens_on_the_thread()
    {
        ThreadDisposeScopeStatistics statistics = DisposeScopeManager.Statistics;
        long live = statistics.ThreadTotalLiveCount, created = statistics.CreatedInScopeCount, disposed = statistics.DisposedInScopeCount, detached = statistics.DetachedFromScopeCount;
        Tensor kept;
        using (NewDisposeScope())
        {
            ones(1);
            kept = ones(1).DetachFromDisposeScope();
        }
        Assert.Equal(created + 2, statistics.CreatedInScopeCount);
        Assert.Equal(disposed + 1, statistics.DisposedInScopeCount);
        Assert.Equal(detached + 1, statistics.DetachedFromScopeCount);
        Assert.Equal(live + 1, statistics.ThreadTotalLiveCount);
        kept.Dispose();
        Assert.Equal(live, statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_wrapped_expression_keeps_only_its_result()
    {
        using var scope = NewDisposeScope();
        Tensor result = WrappedTensorDisposeScope(() => ones(2) * 2 + 1);
        Assert.Equal(1, scope.DisposablesCount);
        Assert.Equal(3, result[0].item<float>());
    }

    [Fact]
    public void A_disposed_tensor_says_so()
    {
        Tensor t = ones(2);
        t.Dispose();
        t.Dispose();
        Assert.Throws<InvalidOperationException>(() => t.sum());
    }
}
