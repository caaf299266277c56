using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// One call that advances a state, all or nothing: what layers wrote becomes the state's at <see cref="Commit()"/> and is
/// discarded when the transaction is disposed without it.
/// </summary>
public sealed class StateTransaction : IDisposable
{
    private readonly MemoryState state;
    private readonly long tokens;
    private bool open = true;

    internal StateTransaction(MemoryState state, long tokens)
    {
        this.state = state;
        this.tokens = tokens;
    }

    /// <summary>Makes what was written the state's, and moves every row's position on by the call's tokens.</summary>
    /// <exception cref="ObjectDisposedException">The transaction has ended.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(!open, this);
        state.Commit(tokens);
        open = false;
    }

    /// <summary>Makes what was written the state's, and sets where its rows stand.</summary>
    /// <param name="positions">As many as rows.</param>
    internal void Commit(long[] positions)
    {
        ObjectDisposedException.ThrowIf(!open, this);
        using var scope = NewDisposeScope();
        state.Commit(tensor(positions, device: state.Device), positions);
        open = false;
    }

    /// <summary>Ends the transaction; discards what was written if it was not committed.</summary>
    public void Dispose()
    {
        if (open)
            state.Discard();
        open = false;
    }
}
