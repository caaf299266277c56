using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The arguments of attention that tell what is seen beyond the window.</summary>
internal static class RememberedKeys
{
    private const string Name = "segment_attention";

    /// <summary>Checks them at the door, where q, k and v have passed.</summary>
    /// <returns>Tokens of its chunk that each row has read; one number where the rows agree.</returns>
    public static long[] Check(FrontDoor door, long? window, QueryChunks? chunks, ChunkKeys? slots, FadingKeys? fading)
    {
        long[] read = [0];
        if (chunks is not null)
        {
            door.Positive("chunks.Length", chunks.Length);
            if (chunks.Blocked && window is not null)
                throw new ArgumentException($"{Name}: window is {window}, and chunks.Blocked makes it the chunk and the one before; expected one of them.", nameof(window));
            if (chunks.Read is not null)
            {
                door.Integers("chunks.Read", chunks.Read, "B");
                read = OnHost(chunks.Read);
                int row = Array.FindIndex(read, tokens => tokens < 0 || tokens >= chunks.Length);
                if (row >= 0) throw new ArgumentException($"{Name}: chunks.Read has {read[row]} for row {row}; expected 0 to {chunks.Length - 1}, within a chunk of {chunks.Length}.", nameof(chunks));
                if (Array.TrueForAll(read, tokens => tokens == read[0])) read = read.Length == 0 ? [0] : [read[0]];
            }
        }

        if (slots is not null) Check(door, chunks, slots, read.Max());
        if (fading is not null) Check(door, window, chunks, fading);
        return read;
    }

    /// <summary>Fading tokens as a kind of keys, and their keys and values with the past before them.</summary>
    public static (KeySource Source, Tensor[] Tensors) Of(FadingKeys fading, QueryPlaces places, long T)
    {
        long past = fading.PastKeys?.shape[1] ?? 0, count = Math.Min(fading.Count, ((past + T) / fading.Stride) + 1);
        return (new FadingTokens(places, past, count, fading.Stride, fading.Offset), [Joined(fading.PastKeys, fading.Keys), Joined(fading.PastValues, fading.Values)]);

        static Tensor Joined(Tensor? before, Tensor x) => before is null ? x : cat(new[] { before, x }, 1);
    }

    private static void Check(FrontDoor door, QueryChunks? chunks, ChunkKeys slots, long read)
    {
        if (chunks is null) throw new ArgumentException($"{Name}: slots belong to chunks; expected chunks beside them.", nameof(chunks));
        door.Value("slots.Keys", slots.Keys, "BCMGK");
        door.Value("slots.Values", slots.Values, "BCMGV");
        door.Flags("slots.Present", slots.Present, "BCM");
        long T = door['T'], needed = T == 0 ? 0 : ((read + T - 1) / chunks.Length) + 1;
        if (door['C'] < needed) throw new ArgumentException($"{Name}: slots has {door['C']} chunks, and the queries are in {needed} of {chunks.Length} tokens; expected slots for each.", nameof(slots));
    }

    private static void Check(FrontDoor door, long? window, QueryChunks? chunks, FadingKeys fading)
    {
        door.Value("fading.Keys", fading.Keys, "BTGK");
        door.Value("fading.Values", fading.Values, "BTGV");
        if (fading.PastKeys is not null || fading.PastValues is not null)
        {
            door.Value("fading.PastKeys", fading.PastKeys, "BFGK");
            door.Value("fading.PastValues", fading.PastValues, "BFGV");
        }

        door.Positive("fading.Count", fading.Count);
        door.Positive("fading.Stride", fading.Stride);
        door.AtLeast("fading.Offset", fading.Offset, 0);
        if (fading.Offset is null && window is null && chunks is not { Blocked: true })
            throw new ArgumentException($"{Name}: fading tokens stand before the window, which has no beginning; expected a window, chunks.Blocked or fading.Offset.", nameof(fading));
    }

    /// <summary>Whole numbers, row by row.</summary>
    public static long[] OnHost(Tensor numbers)
    {
        using var scope = NewDisposeScope();
        return numbers.cpu().contiguous().data<long>().ToArray();
    }

    /// <summary>Which slots hold a key, row by row, chunk by chunk.</summary>
    public static bool[] OnHost(ChunkKeys slots)
    {
        using var scope = NewDisposeScope();
        return slots.Present.cpu().flatten().data<bool>().ToArray();
    }
}
