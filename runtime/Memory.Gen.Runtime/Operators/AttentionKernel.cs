using System.Runtime.InteropServices;
using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Attention in the kernel library: all kinds of keys in one pass, forward and backward; what is kept is the log-sum-exp of every query.</summary>
internal sealed unsafe class AttentionKernel : KernelFunction<AttentionKernel, AttentionKernel.Options>
{
    private static readonly Kernel Kernel = new("segment_attention");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new AttentionArguments
    {
        Header = KernelHeader.Of<AttentionArguments>(door.Dtype),
        Batch = door['B'], Tokens = door['T'], Heads = door['H'], KeyHeads = door['G'], KeyDim = door['K'], ValueDim = door['V'], KeysPerToken = 1,
    });

    /// <param name="options">Which keys a query sees.</param>
    /// <param name="inputs">Queries; then for every source its own queries, where it has some, keys and values.</param>
    public static Tensor Run(AttentionOptions options, Tensor[] inputs)
    {
        var places = new Tensor?[Places.Count];
        places[Places.Queries] = inputs[0];
        int next = 1;
        foreach (KeySource source in options.Sources)
        {
            if (source.OwnQueries) places[Places.PrefixQueries] = inputs[next++];
            int keys = Places.Of(source);
            (places[keys], places[keys + 1]) = (inputs[next++], inputs[next++]);
        }

        return Apply(new Options(options, inputs[0].shape[0]), places)[0];
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        using var scope = NewDisposeScope();
        AttentionArguments args = Arguments(inputs, options);
        Tensor o = Fresh(null, inputs[Places.Queries]!, args.Batch, args.Tokens, args.Heads, args.ValueDim);
        args.O = KernelTensor.Of(o);
        if (kept is not null)
        {
            Tensor logs = Single(o, args.Batch, args.Tokens, args.Heads);
            args.Logs = (float*)KernelLibrary.Data(logs);
            kept.AddRange([o, logs.MoveToOuterDisposeScope()]);
        }

        Kernel.Forward(args, o);
        return [o.MoveToOuterDisposeScope()];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        using var scope = NewDisposeScope();
        AttentionArguments args = Arguments(inputs, options);
        args.O = KernelTensor.Of(kept[0]);
        args.Logs = (float*)KernelLibrary.Data(kept[1]);
        args.GradO = KernelTensor.Of(upstream[0]);
        args.GradQ = KernelTensor.Of(gradients[Places.Queries]);
        args.GradPrefixQ = KernelTensor.Of(gradients[Places.PrefixQueries]);
        (args.GradK, args.GradV) = Pair(gradients, Places.Window);
        (args.GradSlotK, args.GradSlotV) = Pair(gradients, Places.Slots);
        (args.GradFadingK, args.GradFadingV) = Pair(gradients, Places.Fading);
        (args.GradPrefixK, args.GradPrefixV) = Pair(gradients, Places.Prefix);
        Kernel.Backward(args, inputs[Places.Queries]!);
    }

    // What is known of rows and slots goes to where the tensors are; copies belong to the caller's scope.
    private static AttentionArguments Arguments(Tensor?[] inputs, Options options)
    {
        Tensor q = inputs[Places.Queries]!, any = Array.FindLast(inputs, input => input is not null)!;
        QueryPlaces places = options.Attention.Places;
        AttentionArguments args = new()
        {
            Header = KernelHeader.Of<AttentionArguments>(q.dtype),
            Batch = q.shape[0], Tokens = q.shape[1], Heads = q.shape[2], KeyDim = q.shape[3], KeyHeads = any.shape[2], ValueDim = any.shape[3], KeysPerToken = 1,
            Chunk = places.Chunk, Scale = options.Attention.Scale,
            Read = (long*)Address(options.Read, q, numbers => tensor(numbers, device: q.device)),
            Lengths = (long*)Address(options.Lengths, q, numbers => tensor(numbers, device: q.device)),
            Present = (byte*)Address(options.Present, q, numbers => tensor(numbers, device: q.device)),
            Q = KernelTensor.Of(q), PrefixQ = KernelTensor.Of(inputs[Places.PrefixQueries]),
        };
        (args.K, args.V) = Pair(inputs, Places.Window);
        (args.SlotK, args.SlotV) = Pair(inputs, Places.Slots);
        (args.FadingK, args.FadingV) = Pair(inputs, Places.Fading);
        (args.PrefixK, args.PrefixV) = Pair(inputs, Places.Prefix);
        foreach (KeySource source in options.Attention.Sources)
        {
            switch (source)
            {
                case WindowKeys window:
                    (args.KeysPerToken, args.Past, args.Window, args.Blocked) = (window.Each, window.Past, places.Window, places.Blocked ? 1 : 0);
                    break;
                case ChunkSlots slots:
                    (args.Chunks, args.Slots) = (slots.Chunks, slots.Slots);
                    break;
                case FadingTokens fading:
                    (args.FadingCount, args.FadingStride, args.FadingOffset, args.FadingPast) = (fading.Count, fading.Stride, fading.Offset ?? -1, fading.Past);
                    break;
                case PrefixKeys prefix:
                    args.Prefix = prefix.Count;
                    break;
            }
        }

        return args;
    }

    private static (KernelTensor Keys, KernelTensor Values) Pair(Tensor?[] tensors, int keys) => (KernelTensor.Of(tensors[keys]), KernelTensor.Of(tensors[keys + 1]));

    private static void* Address<T>(T[]? pinned, Tensor on, Func<T[], Tensor> copy) =>
        pinned is null ? null
        : on.device_type == DeviceType.CPU ? (void*)Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0)
        : KernelLibrary.Data(copy(pinned));

    /// <summary>Where each input stands.</summary>
    private static class Places
    {
        public const int Queries = 0, PrefixQueries = 1, Window = 2, Slots = 4, Fading = 6, Prefix = 8, Count = 10;

        public static int Of(KeySource source) => source switch { WindowKeys => Window, ChunkSlots => Slots, FadingTokens => Fading, _ => Prefix };
    }

    /// <summary>Options with what the library reads in memory that does not move.</summary>
    internal sealed class Options
    {
        public Options(AttentionOptions attention, long rows)
        {
            Attention = attention;
            if (attention.Places.Chunk > 0) Read = Pinned([.. Enumerable.Range(0, (int)rows).Select(attention.Places.ReadOf)]);
            if (attention.Places.Lengths is { } lengths) Lengths = Pinned(lengths);
            if (attention.Sources.OfType<ChunkSlots>().FirstOrDefault() is { } slots) Present = Pinned(slots.Present);
        }

        public AttentionOptions Attention { get; }

        public long[]? Read { get; }

        public long[]? Lengths { get; }

        public bool[]? Present { get; }

        private static T[] Pinned<T>(T[] numbers)
        {
            T[] pinned = GC.AllocateArray<T>(Math.Max(1, numbers.Length), pinned: true);
            numbers.CopyTo(pinned, 0);
            return pinned;
        }
    }
}
