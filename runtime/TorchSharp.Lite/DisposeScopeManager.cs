namespace TorchSharp;

/// <summary>The stack of scopes of each thread, and what happened to the tensors made on it.</summary>
public class DisposeScopeManager
{
    [ThreadStatic]
    private static DisposeScope? current;

    [ThreadStatic]
    private static ThreadDisposeScopeStatistics? statistics;

    public static ThreadDisposeScopeStatistics Statistics => statistics ??= new();

    internal static DisposeScope? Current => current;

    internal static LifetimeStatistics For(IDisposable disposable) =>
        disposable is torch.Tensor ? Statistics.TensorStatistics : Statistics.PackedSequenceStatistics;

    internal static DisposeScope Enter() => current = new DisposeScope(current);

    internal static void Leave(DisposeScope scope)
    {
        if (ReferenceEquals(current, scope))
        {
            current = scope.Outer;
            return;
        }
        // Left out of order: the scopes inside it now stand in the one around it.
        for (DisposeScope? inner = current; inner is not null; inner = inner.Outer)
        {
            if (ReferenceEquals(inner.Outer, scope))
                inner.Outer = scope.Outer;
        }
    }

    /// <summary>Enters a new tensor into the innermost scope, if there is one.</summary>
    internal static void Register(torch.Tensor tensor)
    {
        LifetimeStatistics counts = Statistics.TensorStatistics;
        if (current is { } scope)
        {
            scope.Add(tensor);
            counts.CreatedInScopeCount++;
        }
        else
        {
            counts.CreatedOutsideScopeCount++;
        }
    }
}

/// <summary>Counts of one kind of object on one thread since the last reset.</summary>
public class LifetimeStatistics
{
    public long CreatedOutsideScopeCount { get; internal set; }
    public long DisposedOutsideScopeCount { get; internal set; }
    public long CreatedInScopeCount { get; internal set; }
    public long DisposedInScopeCount { get; internal set; }
    public long AttachedToScopeCount { get; internal set; }
    public long DetachedFromScopeCount { get; internal set; }
    public long ThreadTotalLiveCount =>
        CreatedInScopeCount + CreatedOutsideScopeCount - DisposedInScopeCount - DisposedOutsideScopeCount;

    public void Reset() =>
        CreatedOutsideScopeCount = DisposedOutsideScopeCount = CreatedInScopeCount = DisposedInScopeCount
            = AttachedToScopeCount = DetachedFromScopeCount = 0;

    public override string ToString() =>
        $"ThreadTotalLiveCount: {ThreadTotalLiveCount}; CreatedOutsideScopeCount: {CreatedOutsideScopeCount}; DisposedOutsideScopeCount: {DisposedOutsideScopeCount}; "
        + $"CreatedInScopeCount: {CreatedInScopeCount}; DisposedInScopeCount: {DisposedInScopeCount}; AttachedToScopeCount: {AttachedToScopeCount}; DetachedFromScopeCount: {DetachedFromScopeCount}";
}

/// <summary>The same counts over every kind of object.</summary>
public class ThreadDisposeScopeStatistics
{
    public LifetimeStatistics TensorStatistics { get; } = new();
    public LifetimeStatistics PackedSequenceStatistics { get; } = new();

    public long CreatedOutsideScopeCount => TensorStatistics.CreatedOutsideScopeCount + PackedSequenceStatistics.CreatedOutsideScopeCount;
    public long DisposedOutsideScopeCount => TensorStatistics.DisposedOutsideScopeCount + PackedSequenceStatistics.DisposedOutsideScopeCount;
    public long CreatedInScopeCount => TensorStatistics.CreatedInScopeCount + PackedSequenceStatistics.CreatedInScopeCount;
    public long DisposedInScopeCount => TensorStatistics.DisposedInScopeCount + PackedSequenceStatistics.DisposedInScopeCount;
    public long AttachedToScopeCount => TensorStatistics.AttachedToScopeCount + PackedSequenceStatistics.AttachedToScopeCount;
    public long DetachedFromScopeCount => TensorStatistics.DetachedFromScopeCount + PackedSequenceStatistics.DetachedFromScopeCount;
    public long ThreadTotalLiveCount => TensorStatistics.ThreadTotalLiveCount + PackedSequenceStatistics.ThreadTotalLiveCount;

    public void Reset()
    {
        TensorStatistics.Reset();
        PackedSequenceStatistics.Reset();
    }

    public override string ToString() => $"Tensors: {TensorStatistics}\nPackedSequences: {PackedSequenceStatistics}";
}

public static partial class torch
{
    /// <summary>Opens a scope that owns the tensors made on this thread until it is disposed.</summary>
    public static DisposeScope NewDisposeScope() => DisposeScopeManager.Enter();

    public static DisposeScope? CurrentDisposeScope => DisposeScopeManager.Current;

    /// <summary>Evaluates expr in a scope of its own and keeps only its result.</summary>
    public static Tensor WrappedTensorDisposeScope(Func<Tensor> expr)
    {
        using DisposeScope scope = NewDisposeScope();
        return expr().MoveToOuterDisposeScope();
    }
}
