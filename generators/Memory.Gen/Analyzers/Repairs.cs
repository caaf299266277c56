namespace Memory.Gen.Generators.Analyzers;

/// <summary>The keys of a diagnostic's properties under which a code fix finds what to write.</summary>
internal static class Repairs
{
    /// <summary>Each names one way to make it right, as code: an argument with its value, or a type. The first is the one to prefer.</summary>
    public static readonly string[] Keys = ["repair1", "repair2"];
}
