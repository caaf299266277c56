namespace Memory.Gen.Runtime.Operators;

/// <summary>A stored token: its score, where it stands in its text, and where the call has it.</summary>
internal readonly record struct StoredToken(double Score, long Position, long Place)
{
    /// <summary>The better one first: score falling, then position rising.</summary>
    public static int ByScore(StoredToken a, StoredToken b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Position.CompareTo(b.Position);

    public static int ByPosition(StoredToken a, StoredToken b) => a.Position.CompareTo(b.Position);
}

/// <summary>The slots of one row while a call is read.</summary>
/// <param name="options">How tokens are chosen.</param>
/// <param name="read">Tokens of the row before the call.</param>
/// <param name="scores">Those of the tokens that wait, oldest first, then of the call's.</param>
/// <param name="single">Whether scores are float32, and so what decays.</param>
internal sealed class EideticRow(EideticOptions options, long read, ArraySegment<double> scores, bool single)
{
    /// <summary>In the order of their positions.</summary>
    public List<StoredToken> Stored { get; private set; } = [];

    /// <summary>Takes a token over that was stored before the call.</summary>
    public void Keep(StoredToken token) => Stored.Add(token);

    /// <summary>Chooses before the token at <paramref name="boundary"/>, the first of a chunk, is read.</summary>
    public void Refresh(long boundary)
    {
        bool oldest = options.Eviction == SlotEviction.Oldest;
        double floor = options.Floor ?? double.NegativeInfinity;
        List<StoredToken> pool = oldest ? Stored : Stored.ConvertAll(Decayed);
        if (!oldest) pool.RemoveAll(token => token.Score < floor);
        long last = boundary - options.Distance;
        for (long position = Math.Max(0, last - options.Refresh + 1); position <= last; position++)
        {
            long place = options.Waiting + position - read;
            double score = scores[(int)place];
            if (double.IsNaN(score)) score = double.NegativeInfinity;
            if (score >= floor) pool.Add(new(score, position, options.Slots + place));
        }

        int count = (int)Math.Min(options.Slots, pool.Count);
        if (oldest) pool = pool.GetRange(pool.Count - count, count);
        else if (count < pool.Count)
        {
            pool.Sort(StoredToken.ByScore);
            pool = pool.GetRange(0, count);
            pool.Sort(StoredToken.ByPosition);
        }

        Stored = pool;
    }

    private StoredToken Decayed(StoredToken token)
    {
        double score = options.Decay * token.Score;
        return token with { Score = single ? (float)score : score };
    }
}
