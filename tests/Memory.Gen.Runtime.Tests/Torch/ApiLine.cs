using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>One line of the list of TorchSharp's API: <c>Type | kind | signature</c>.</summary>
internal sealed record ApiLine(string Owner, string Kind, string Signature)
{
    /// <summary>The list of TorchSharp 0.107, without the methods of <c>torch</c> that it has and no program compiles with (obsolete, "not implemented").</summary>
    internal static IReadOnlyList<ApiLine> OfTorchSharp() =>
        [.. File.ReadLines(SourceTree.Path("tests", "Memory.Gen.Runtime.Tests", "Torch", "TorchSharp-0.107.api.txt")).Select(Parse)];

    internal static ApiLine Parse(string line)
    {
        string[] parts = line.Split(" | ", 3);
        return new ApiLine(parts[0], parts[1], parts[2]);
    }

    public override string ToString() => $"{Owner} | {Kind} | {Signature}";
}
