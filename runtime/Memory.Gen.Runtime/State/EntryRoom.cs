using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// A cache as a part of longer storage: a new entry is written behind it, and the cache becomes a later part. Parts handed
/// out before stay as they were, and the last one keeps the storage.
/// </summary>
internal sealed class EntryRoom
{
    // Entries after which all are copied to fresh storage.
    private const long Behind = 64;

    private readonly long[] sizes;
    private readonly long[] strides;
    private readonly long entries;
    private long end;

    private EntryRoom(Tensor storage, long end)
    {
        sizes = storage.shape;
        strides = storage.stride();
        entries = sizes[1];
        this.end = end;
        Last = storage;
    }

    /// <summary>The part handed out last.</summary>
    public Tensor Last { get; private set; }

    public bool Has(long added) => end + added <= entries;

    /// <summary>Copies a cache to where it has room, and writes entries behind it.</summary>
    /// <param name="before"><c>[B, N, ...]</c>.</param>
    /// <param name="next"><c>[B, N', ...]</c>.</param>
    /// <param name="kept">How many of all entries the part has that is <see cref="Last"/>.</param>
    public static EntryRoom Of(Tensor before, Tensor next, long kept)
    {
        using var scope = NewDisposeScope();
        long[] shape = before.shape;
        long end = shape[1];
        shape[1] = end + next.size(1) + Math.Max(Behind, end / 2);
        Tensor storage = torch.empty(shape, dtype: before.dtype, device: before.device);
        if (end > 0) storage.narrow(1, 0, end).copy_(before);
        var room = new EntryRoom(storage, end);
        room.Append(next, kept);
        return room;
    }

    /// <summary>Writes entries behind <see cref="Last"/>.</summary>
    /// <param name="next"><c>[B, N, ...]</c>.</param>
    /// <param name="kept">How many of all entries the next part has.</param>
    public void Append(Tensor next, long kept)
    {
        long added = next.size(1);
        using (Tensor place = Part(end, added)) place.copy_(next);
        end += added;
        Last = Part(end - kept, kept).DetachFromDisposeScope();
    }

    /// <summary>Makes <see cref="Last"/> shorter: its newest entries.</summary>
    /// <param name="kept">How many, no more than it has.</param>
    public Tensor Keep(long kept)
    {
        Tensor newest = Part(end - kept, kept).DetachFromDisposeScope();
        Last.Dispose();
        return Last = newest;
    }

    private Tensor Part(long first, long count)
    {
        sizes[1] = count;
        return Last.as_strided(sizes, strides, first * strides[1]);
    }
}
