using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>Writes what makes keys and queries that several heads share those of each head.</summary>
internal static class SharedKeys
{
    /// <summary>Writes the method <c>ForHeads</c>.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="groups">The constant that says how many there are.</param>
    /// <param name="owner">What has them, as a word.</param>
    /// <param name="tokens">The axes of the tokens.</param>
    public static void WriteForHeads(CodeWriter writer, string groups, string owner, string tokens = "B, T")
    {
        writer.Comment($"What a {owner} has, for each of its heads.");
        writer.Lines($"private static Tensor ForHeads(Tensor x) => x.unsqueeze(3).expand(-1, -1, -1, Heads / {groups}, -1).flatten(2, 3);  // [{tokens}, G, K] -> [{tokens}, H, K]", "");
    }
}
