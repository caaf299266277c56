using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp.Native;
using Tensor = TorchSharp.torch.Tensor;

namespace TorchSharp;

/// <summary>Managed backward functions that libtorch's graph knows by a number.</summary>
internal static unsafe class ManagedNodes
{
    private sealed record Entry(string Name, torch.autograd.AutogradContext Context, Func<torch.autograd.AutogradContext, List<Tensor>, List<Tensor>> Backward);

    private static readonly ConcurrentDictionary<long, Entry> Entries = new();
    private static long lastKey;
    private static Exception? lastFailure;

    /// <summary>Backward functions that a graph still holds.</summary>
    internal static int Count => Entries.Count;

    internal static void Attach(string name, object[] vars, List<Tensor> outputs, torch.autograd.AutogradContext ctx, Func<torch.autograd.AutogradContext, List<Tensor>, List<Tensor>> backward)
    {
        byte[] differentiable = outputs.Select(each => (byte)(Differentiable(each) && !ctx.IsConstant(each) ? 1 : 0)).ToArray();
        Tensor[] saved = ctx.TakeSaved();
        nint[] inputs = Tensor.HandlesOf(vars.Select(each => each as Tensor)), results = Tensor.HandlesOf(outputs), kept = Tensor.HandlesOf(saved);
        long key = Interlocked.Increment(ref lastKey);
        Entries[key] = new Entry(name, ctx, backward);
        int status;
        fixed (nint* i = inputs, o = results, k = kept)
        fixed (byte* d = differentiable, label = Encoding.UTF8.GetBytes(name + "\0"))
        {
            status = LibTorch.lt_attach_node(label, i, inputs.Length, o, results.Length, d, k, kept.Length,
                ctx.MaterializeGrads ? 1 : 0, key, &RunBackward, &Release);
        }
        GC.KeepAlive(vars);
        GC.KeepAlive(outputs);
        GC.KeepAlive(saved);
        if (status < 0)
            Entries.TryRemove(key, out _);
        Errors.Check(status);
    }

    /// <summary>The managed exception behind an error of libtorch, if it came from a backward.</summary>
    internal static Exception? Behind(string message)
    {
        Exception? failure = Volatile.Read(ref lastFailure);
        if (failure is null || !message.Contains(failure.Message, StringComparison.Ordinal))
            return null;
        Volatile.Write(ref lastFailure, null);
        return failure;
    }

    private static bool Differentiable(Tensor tensor) => tensor.is_floating_point() || tensor.is_complex();

    // No exception may leave this method: on the way up lies libtorch.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int RunBackward(long key, nint* grads, int nGrads, nint* saved, int nSaved, nint* results, int nResults, byte* message, int capacity)
    {
        try
        {
            using DisposeScope scope = torch.NewDisposeScope();
            var kept = new List<Tensor>(nSaved);
            for (int k = 0; k < nSaved; k++)
                kept.Add(saved[k] == 0 ? null! : new Tensor(saved[k]));
            var arrived = new List<Tensor>(nGrads);
            for (int k = 0; k < nGrads; k++)
                arrived.Add(grads[k] == 0 ? Tensor.Undefined() : Tensor.Made(LibTorch.lt_alias(grads[k])));
            Entry entry = Entries[key];
            entry.Context.Lend(kept);
            try
            {
                Give(entry.Name, entry.Backward(entry.Context, arrived), results, nResults);
            }
            finally
            {
                entry.Context.Lend([]);
            }
            return 0;
        }
        catch (Exception e)
        {
            Volatile.Write(ref lastFailure, e);
            Span<byte> target = new(message, capacity);
            string text = Entries.TryGetValue(key, out Entry? failed) ? $"{failed.Name}.backward failed with {e.GetType().Name}: {e.Message}" : e.Message;
            Encoder encoder = Encoding.UTF8.GetEncoder();
            encoder.Convert(text, target[..^1], true, out _, out int written, out _);
            target[written] = 0;
            return 1;
        }
    }

    private static void Give(string name, List<Tensor> gradients, nint* results, int nResults)
    {
        if (gradients.Count != nResults)
            throw new InvalidOperationException(
                $"{gradients.Count} gradients were returned for {nResults} arguments; {name}.backward returns one for each argument of forward, null where there is none.");
        for (int k = 0; k < nResults; k++)
        {
            if (gradients[k] is not { IsInvalid: false } gradient)
                continue;
            results[k] = LibTorch.lt_alias(gradient.Handle);
            GC.KeepAlive(gradient);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(long key)
    {
        if (Entries.TryRemove(key, out Entry? entry))
            entry.Context.Dispose();
    }
}
