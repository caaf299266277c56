using System.Runtime.InteropServices;

namespace Samples;

/// <summary>Ctrl-C, SIGTERM and a terminal that is closed as a request to stop at the next good moment, so that everything can be saved; asked again, the program ends at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    public Interruption() =>
        registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(s => PosixSignalRegistration.Create(s, Stop))];

    public CancellationToken Token => source.Token;

    /// <summary>Whether the program was asked to end, where Ctrl-C asks to end what it is doing.</summary>
    public bool EndsAll { get; private set; }

    /// <summary>Does what cannot be stopped in the middle. Asked to stop, it does not wait: that work ends with the program, so it must leave nothing half done.</summary>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public T Wait<T>(Func<T> work) => Task.Run(work).WaitAsync(Token).GetAwaiter().GetResult();

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        source.Dispose();
    }

    private void Stop(PosixSignalContext context)
    {
        // A closed terminal says so more than once.
        context.Cancel = !source.IsCancellationRequested || context.Signal == PosixSignal.SIGHUP;
        EndsAll |= context.Signal != PosixSignal.SIGINT;
        source.Cancel();
    }
}
