namespace Memory.Gen.Training;

/// <summary>A point of a curve.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Seconds">Time spent in steps.</param>
/// <param name="BitsPerByte">The loss, in bits a byte of text.</param>
public readonly record struct LossPoint(long Step, double Seconds, double BitsPerByte);

/// <summary>The training loss over a run of any length in a bounded number of points, each the mean over as many steps.</summary>
public sealed class LossHistory
{
    private const int MostPoints = 1024;

    private readonly List<LossPoint> points = [];
    private long stride = 1, pending;
    private double sum;

    /// <summary>The points so far, first step first.</summary>
    public IReadOnlyList<LossPoint> Points => points;

    /// <summary>Adds a step's loss.</summary>
    /// <param name="point">The step and its loss.</param>
    public void Add(LossPoint point)
    {
        sum += point.BitsPerByte;
        if (++pending < stride) return;
        points.Add(point with { BitsPerByte = sum / pending });
        (sum, pending) = (0, 0);
        if (points.Count < MostPoints) return;
        for (int i = 0; i < MostPoints / 2; i++)
            points[i] = points[2 * i + 1] with { BitsPerByte = (points[2 * i].BitsPerByte + points[2 * i + 1].BitsPerByte) / 2 };
        points.RemoveRange(MostPoints / 2, MostPoints / 2);
        stride *= 2;
    }

    /// <summary>Everything needed to go on from here.</summary>
    public HistorySnapshot Snapshot() => new(stride, pending, sum, [.. points]);

    /// <summary>A history that goes on from a snapshot.</summary>
    /// <param name="snapshot">What <see cref="Snapshot"/> returned.</param>
    public static LossHistory From(HistorySnapshot snapshot)
    {
        var history = new LossHistory { stride = Math.Max(1, snapshot.Stride), pending = snapshot.Pending, sum = snapshot.Sum };
        history.points.AddRange(snapshot.Points);
        return history;
    }
}

/// <summary>A <see cref="LossHistory"/> at rest.</summary>
/// <param name="Stride">Steps in a point.</param>
/// <param name="Pending">Steps in the point that is not finished.</param>
/// <param name="Sum">Their summed loss.</param>
/// <param name="Points">Finished points.</param>
public sealed record HistorySnapshot(long Stride, long Pending, double Sum, IReadOnlyList<LossPoint> Points);
