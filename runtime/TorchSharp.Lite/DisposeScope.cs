namespace TorchSharp;

/// <summary>
/// Owns the tensors made on its thread while it is the innermost scope, and disposes them when it is disposed itself.
/// Scopes belong to one thread and do not follow async code.
/// </summary>
public sealed class DisposeScope : IDisposable
{
    private readonly List<IDisposable> owned = [];

    internal DisposeScope(DisposeScope? outer) => Outer = outer;

    internal DisposeScope? Outer { get; set; }

    internal bool IsDisposed { get; private set; }

    /// <summary>How many objects the scope owns.</summary>
    public int DisposablesCount => owned.Count;

    /// <summary>A copy of what the scope owns.</summary>
    public IReadOnlyList<IDisposable> DisposablesView => owned.ToArray();

    public bool Contains(IDisposable disposable) => IndexOf(disposable) >= 0;

    // A tensor knows its place, so that leaving a scope costs the same however much the scope owns.
    private int IndexOf(IDisposable disposable) => disposable is torch.Tensor tensor
        ? ReferenceEquals(tensor.scope, this) ? tensor.scope_index : -1
        : owned.IndexOf(disposable);

    internal void Add(IDisposable disposable)
    {
        if (disposable is torch.Tensor tensor)
        {
            tensor.scope = this;
            tensor.scope_index = owned.Count;
            tensor.Unwatch();
        }
        owned.Add(disposable);
    }

    internal bool Remove(IDisposable disposable)
    {
        int index = IndexOf(disposable);
        if (index < 0)
            return false;
        int last = owned.Count - 1;
        IDisposable moved = owned[last];
        owned[index] = moved;
        if (moved is torch.Tensor tensor)
            tensor.scope_index = index;
        owned.RemoveAt(last);
        if (disposable is torch.Tensor gone)
            gone.scope = null;
        return true;
    }

    /// <summary>Makes the scope forget an object that was disposed.</summary>
    public void MarkAsDisposed(IDisposable disposable)
    {
        if (Remove(disposable))
            DisposeScopeManager.For(disposable).DisposedInScopeCount++;
    }

    /// <summary>Takes an object into this scope, out of whichever owned it.</summary>
    public void Attach(IDisposable disposable)
    {
        ArgumentNullException.ThrowIfNull(disposable);
        if (disposable is torch.Tensor { scope: { } owner })
            owner.Remove(disposable);
        else
            DisposeScopeManager.For(disposable).AttachedToScopeCount++;
        if (!Contains(disposable))
            Add(disposable);
    }

    public void Attach(params IDisposable[] disposables) => Attach((IEnumerable<IDisposable>)disposables);

    public IReadOnlyList<IDisposable> Attach(IEnumerable<IDisposable> disposables)
    {
        IDisposable[] all = disposables.ToArray();
        foreach (IDisposable each in all)
            Attach(each);
        return all;
    }

    /// <summary>Takes an object out of the scope: nobody disposes it but its owner.</summary>
    public T Detach<T>(T disposable) where T : IDisposable
    {
        if (!Remove(disposable))
            return disposable;
        DisposeScopeManager.For(disposable).DetachedFromScopeCount++;
        (disposable as torch.Tensor)?.Watch();
        return disposable;
    }

    public (T1 first, T2 second) Detach<T1, T2>(T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable =>
        (Detach(first), Detach(second));

    public (T1 first, T2 second, T3 third) Detach<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable =>
        (Detach(first), Detach(second), Detach(third));

    public void Detach(params IDisposable[] disposables) => Detach((IEnumerable<IDisposable>)disposables);

    public void Detach(IEnumerable<IDisposable> disposables)
    {
        foreach (IDisposable each in disposables.ToArray())
            Detach<IDisposable>(each);
    }

    /// <summary>Moves an object to the scope around this one; where there is none, the object is detached.</summary>
    public T MoveToOuter<T>(T disposable) where T : IDisposable => MoveToOther(Outer!, disposable);

    public (T1 first, T2 second) MoveToOuter<T1, T2>(T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable =>
        (MoveToOuter(first), MoveToOuter(second));

    public (T1 first, T2 second, T3 third) MoveToOuter<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable =>
        (MoveToOuter(first), MoveToOuter(second), MoveToOuter(third));

    public void MoveToOuter(params IDisposable[] disposables) => MoveToOuter((IEnumerable<IDisposable>)disposables);

    public void MoveToOuter(IEnumerable<IDisposable> disposables) => MoveToOther(Outer!, disposables);

    public T MoveToOther<T>(DisposeScope scope, T disposable) where T : IDisposable
    {
        if (scope is null)
            return Detach(disposable);
        if (Remove(disposable))
            scope.Add(disposable);
        return disposable;
    }

    public (T1 first, T2 second) MoveToOther<T1, T2>(DisposeScope scope, T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable =>
        (MoveToOther(scope, first), MoveToOther(scope, second));

    public (T1 first, T2 second, T3 third) MoveToOther<T1, T2, T3>(DisposeScope scope, T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable =>
        (MoveToOther(scope, first), MoveToOther(scope, second), MoveToOther(scope, third));

    public void MoveToOther(DisposeScope scope, params IDisposable[] disposables) => MoveToOther(scope, (IEnumerable<IDisposable>)disposables);

    public void MoveToOther(DisposeScope scope, IEnumerable<IDisposable> disposables)
    {
        foreach (IDisposable each in disposables.ToArray())
            MoveToOther<IDisposable>(scope, each);
    }

    /// <summary>Disposes everything the scope owns; the scope stays usable.</summary>
    public void DisposeEverything()
    {
        while (owned.Count > 0)
        {
            IDisposable last = owned[^1];
            last.Dispose();
            MarkAsDisposed(last);
        }
    }

    public T DisposeEverythingBut<T>(T keep) where T : IDisposable
    {
        DisposeEverythingBut((IEnumerable<IDisposable>)[keep]);
        return keep;
    }

    public (T1 first, T2 second) DisposeEverythingBut<T1, T2>(T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable
    {
        DisposeEverythingBut((IEnumerable<IDisposable>)[first, second]);
        return (first, second);
    }

    public (T1 first, T2 second, T3 third) DisposeEverythingBut<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable
    {
        DisposeEverythingBut((IEnumerable<IDisposable>)[first, second, third]);
        return (first, second, third);
    }

    public void DisposeEverythingBut(params IDisposable[] keep) => DisposeEverythingBut((IEnumerable<IDisposable>)keep);

    public void DisposeEverythingBut(IEnumerable<IDisposable> inKeep)
    {
        IDisposable[] kept = inKeep.Where(each => Remove(each)).ToArray();
        DisposeEverything();
        foreach (IDisposable each in kept)
            Add(each);
    }

    /// <summary>Disposes what the scope still owns and makes the scope around it the innermost one again.</summary>
    public void Dispose()
    {
        if (IsDisposed)
            return;
        IsDisposed = true;
        DisposeEverything();
        DisposeScopeManager.Leave(this);
    }
}
