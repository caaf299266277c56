using Memory.Gen.Tests.Shared;
using TorchSharp;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>TorchSharp.Lite offers nothing that TorchSharp 0.107 does not, and whole overload groups where an omission could change which overload binds.</summary>
public class SurfaceTests
{
    // Types on which nearly every call of ours lands, often through an implicit conversion.
    private static readonly string[] HotTypes = ["TorchSharp.torch", "TorchSharp.torch.Tensor", "TorchSharp.Scalar", "TorchSharp.torch.TensorIndex"];

    private static readonly Lazy<List<ApiLine>> Lite = new(() => [.. ApiPrinter.Lines(typeof(torch).Assembly)]);
    private static readonly Lazy<IReadOnlyList<ApiLine>> Listed = new(ApiLine.OfTorchSharp);

    [Fact]
    public void Every_public_and_protected_member_is_TorchSharps_own()
    {
        HashSet<ApiLine> known = [.. Listed.Value.Where(l => l.Kind != "type")];
        List<ApiLine> foreign = [.. Lite.Value.Where(l => l.Kind != "type" && !known.Contains(l))];
        Assert.True(foreign.Count == 0, $"{foreign.Count} members are not in TorchSharp 0.107 with this signature:\n{string.Join('\n', foreign.Take(80))}");
    }

    [Fact]
    public void Every_type_has_TorchSharps_kind_and_bases()
    {
        Dictionary<string, string> known = Listed.Value.Where(l => l.Kind == "type").ToDictionary(l => l.Owner, l => l.Signature);
        List<string> wrong = [];
        foreach (ApiLine type in Lite.Value.Where(l => l.Kind == "type"))
        {
            if (!known.TryGetValue(type.Owner, out string? listed)) wrong.Add($"{type.Owner} is not in TorchSharp 0.107");
            else if (Kind(type.Signature) != Kind(listed) || !Bases(type.Signature).IsSubsetOf(Bases(listed))) wrong.Add($"{type.Owner}: '{type.Signature}', TorchSharp has '{listed}'");
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Overloads_of_hot_types_are_left_out_on_purpose_only()
    {
        HashSet<string> allowed = [.. File.ReadLines(SourceTree.Path("tests", "Memory.Gen.Runtime.Tests", "Torch", "left-out-overloads.txt")).Where(l => !l.StartsWith('#'))];
        HashSet<ApiLine> offered = [.. Lite.Value];
        HashSet<(string, string, string)> groups = [.. Lite.Value.Where(IsHot).Select(Group)];
        List<string> missing = [.. Listed.Value.Where(l => IsHot(l) && groups.Contains(Group(l)) && !offered.Contains(l)).Select(l => l.ToString())];
        string[] forgotten = [.. missing.Where(l => !allowed.Contains(l))], stale = [.. allowed.Where(l => !missing.Contains(l))];
        Assert.True(forgotten.Length == 0, $"{forgotten.Length} overloads are missing from groups that are offered; add them, or name them in left-out-overloads.txt:\n{string.Join('\n', forgotten.Take(80))}");
        Assert.True(stale.Length == 0, $"left-out-overloads.txt names what is offered, or is no overload of an offered group:\n{string.Join('\n', stale)}");
    }

    [Fact]
    public void Every_implicit_conversion_between_offered_types_is_offered()
    {
        HashSet<ApiLine> offered = [.. Lite.Value];
        HashSet<string> types = [.. Lite.Value.Select(l => l.Owner)];
        List<ApiLine> missing = [.. Listed.Value.Where(l => types.Contains(l.Owner) && l.Signature.Contains(" op_Implicit(", StringComparison.Ordinal) && !offered.Contains(l))];
        Assert.True(missing.Count == 0, string.Join('\n', missing));
    }

    private static bool IsHot(ApiLine line) => line.Kind is "method" or "ctor" or "property" && HotTypes.Contains(line.Owner);

    // Indexers are one group, other properties one each.
    private static (string, string, string) Group(ApiLine line)
    {
        if (line.Kind != "property") return (line.Owner, line.Kind, line.Kind == "ctor" ? "" : ApiSignature.Parse(line.Signature).Name);
        string head = line.Signature[..line.Signature.LastIndexOf('{')].Trim();
        return (line.Owner, line.Kind, head.EndsWith(']') ? "[]" : head);
    }

    private static string Kind(string shape) => shape.Split(" : ", 2)[0];

    private static HashSet<string> Bases(string shape) => shape.Split(" : ", 2) is [_, var list] ? [.. ApiSignature.Split(list)] : [];
}
