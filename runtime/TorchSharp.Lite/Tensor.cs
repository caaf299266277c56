using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A multi-dimensional array of numbers: one reference to a libtorch tensor, given back by <see cref="Dispose()"/>.</summary>
    public partial class Tensor : IDisposable
    {
        private const long PressureThreshold = 1 << 20;
        private static long totalCount;
        private static long peakCount;

        internal nint handle;
        internal DisposeScope? scope;
        internal int scope_index;
        private Guard? guard;   // of a tensor that no scope owns

        internal Tensor(nint handle)
        {
            this.handle = handle;
            Graveyard.Drain();
            long live = Interlocked.Increment(ref totalCount);
            if (live > Volatile.Read(ref peakCount))
                RaisePeak(live);
            DisposeScopeManager.Register(this);
            if (scope is null)
                Watch();
        }

        private Tensor()
        {
        }

        /// <summary>An invalid tensor, such as a gradient that is not there.</summary>
        internal static Tensor Undefined() => new();

        /// <summary>Tensor objects alive in the process.</summary>
        public static long TotalCount => Interlocked.Read(ref totalCount);

        /// <summary>The most that were ever alive at once.</summary>
        public static long PeakCount => Interlocked.Read(ref peakCount);

        public string? name { get; set; }

        public bool IsInvalid => handle == 0;

        /// <summary>The at::Tensor* behind this object.</summary>
        /// <exception cref="InvalidOperationException">The tensor was disposed, or its handle given away.</exception>
        public IntPtr Handle
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => handle != 0 ? handle : throw Gone();
        }

        private static InvalidOperationException Gone() =>
            new("The tensor was disposed, or its handle given away. A tensor that outlives its dispose scope must be moved out of it "
                + "(MoveToOuterDisposeScope, DetachFromDisposeScope).");

        /// <summary>Takes ownership of an at::Tensor*.</summary>
        public static Tensor UnsafeCreateTensor(IntPtr handle) =>
            handle != 0 ? new Tensor(handle) : throw new ArgumentException("The handle is null.", nameof(handle));

        /// <summary>Gives the at::Tensor* away: the caller owns it, and this object is invalid from now on.</summary>
        public IntPtr DecoupleFromNativeHandle()
        {
            nint given = Handle;
            handle = 0;
            Forget();
            CountAsGone();
            return given;
        }

        public void Dispose() => Dispose(true);

        protected virtual void Dispose(bool disposing)
        {
            nint gone = handle;
            if (gone == 0)
                return;
            handle = 0;
            Forget();
            if (!disposing)
            {
                Graveyard.Add(gone);
                return;
            }
            CountAsGone();
            LibTorch.THSTensor_dispose(gone);
        }

        private void CountAsGone()
        {
            if (scope is { } owner)
                owner.MarkAsDisposed(this);
            else
                DisposeScopeManager.Statistics.TensorStatistics.DisposedOutsideScopeCount++;
        }

        private void Forget()
        {
            Interlocked.Decrement(ref totalCount);
            Unwatch();
        }

        /// <summary>Bytes that the collector was told of.</summary>
        internal long pressure => guard?.Bytes ?? 0;

        // A tensor that no scope owns may be left to the collector, which then has to give it back and to know how much it holds. One in
        // a scope goes with it: told of the memory of those too, the collector ran a hundred times in every step of a training, and
        // objects with a finalizer take several times as long to make.
        internal void Watch() => guard ??= new Guard(this);

        internal void Unwatch()
        {
            guard?.Leave();
            guard = null;
        }

        private static void RaisePeak(long live)
        {
            long peak = Volatile.Read(ref peakCount);
            while (live > peak)
            {
                long seen = Interlocked.CompareExchange(ref peakCount, live, peak);
                if (seen == peak)
                    return;
                peak = seen;
            }
        }

        /// <summary>
        /// A call's result. The operands are named so that they stay reachable until the call has returned: a finalizer that
        /// ran in between would let another thread free what libtorch is still reading.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal static Tensor Made(nint result, object? a = null, object? b = null, object? c = null)
        {
            GC.KeepAlive(a);
            GC.KeepAlive(b);
            GC.KeepAlive(c);
            if (result == 0)
                Errors.Throw();
            return new Tensor(result);
        }

        /// <summary>This tensor, after an in-place call on it.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Tensor Changed(int status, object? a = null, object? b = null)
        {
            GC.KeepAlive(this);
            GC.KeepAlive(a);
            GC.KeepAlive(b);
            Errors.Check(status);
            return this;
        }

        internal static nint HandleOf(Tensor? tensor) => tensor is null ? 0 : tensor.Handle;

        internal static nint[] HandlesOf(IEnumerable<Tensor?> tensors) => tensors.Select(HandleOf).ToArray();

        /// <summary>The tensors of a call that returned a list of unknown length.</summary>
        internal static unsafe Tensor?[] TakeList(long count, object? operand = null)
        {
            GC.KeepAlive(operand);
            var handles = new nint[Errors.Check(count)];
            fixed (nint* p = handles)
                Errors.Check(LibTorch.lt_take_list(p));
            return Array.ConvertAll(handles, each => each == 0 ? null : new Tensor(each));
        }

        public Tensor MoveToOuterDisposeScope()
        {
            scope?.MoveToOuter(this);
            return this;
        }

        public Tensor MoveToOtherDisposeScope(DisposeScope other)
        {
            if (scope is null)
                other?.Attach(this);
            else
                scope.MoveToOther(other!, this);
            return this;
        }

        public Tensor MoveToOtherDisposeScope(Tensor other) => MoveToOtherDisposeScope(other.scope!);

        public Tensor DetachFromDisposeScope()
        {
            scope?.Detach(this);
            return this;
        }

        public Tensor DetatchFromDisposeScope() => DetachFromDisposeScope();

        private sealed class Guard
        {
            internal readonly long Bytes;
            private readonly Tensor tensor;

            internal Guard(Tensor tensor)
            {
                this.tensor = tensor;
                long bytes = LibTorch.lt_owned_bytes(tensor.handle);
                if (bytes > PressureThreshold)
                    GC.AddMemoryPressure(Bytes = bytes);
            }

            ~Guard() => tensor.Dispose(false);

            internal void Leave()
            {
                GC.SuppressFinalize(this);
                if (Bytes > 0)
                    GC.RemoveMemoryPressure(Bytes);
            }
        }

        // Handles of tensors that were never disposed: the finalizer leaves them here, and the next new tensor, on a normal
        // thread, frees them.
        private static class Graveyard
        {
            private static readonly ConcurrentQueue<nint> Handles = new();
            private static int waiting;

            internal static void Add(nint gone)
            {
                Handles.Enqueue(gone);
                Volatile.Write(ref waiting, 1);
            }

            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            internal static void Drain()
            {
                if (Volatile.Read(ref waiting) != 0)
                    Free();
            }

            private static void Free()
            {
                Volatile.Write(ref waiting, 0);
                while (Handles.TryDequeue(out nint gone))
                    LibTorch.THSTensor_dispose(gone);
            }
        }
    }
}
