namespace Memory.Gen.Bench;

/// <summary>What the command returns where it did not do what it was asked.</summary>
internal static class Exit
{
    public const int Failed = 1, WrongUsage = 2;
}
