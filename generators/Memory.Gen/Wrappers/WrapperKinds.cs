using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Wrappers.Hierarchical;
using Memory.Gen.Generators.Wrappers.Recurrent;

namespace Memory.Gen.Generators.Wrappers;

/// <summary>The table of all memories around a stack: a new one is a line here, a folder beside this file, and an attribute.</summary>
internal static class WrapperKinds
{
    private static readonly Dictionary<string, WrapperKind> ByName = new WrapperKind[]
    {
        new WrapperKind<HierarchicalMemorySpec>("HierarchicalMemory", HierarchicalMemorySpec.Read, HierarchicalMemoryRules.Check, static (s, d) => new HierarchicalMemoryEmitter(s, d)),
        new WrapperKind<RecurrentMemorySpec>("RecurrentMemory", RecurrentMemorySpec.Read, RecurrentMemoryRules.Check, static (s, d) => new RecurrentMemoryEmitter(s, d)),
    }.ToDictionary(k => k.Name);

    /// <summary>Whether an attribute's name without its suffix is that of a wrapper.</summary>
    public static bool IsWrapper(string name) => ByName.ContainsKey(name);

    /// <summary>The kind of a wrapper attribute.</summary>
    public static WrapperKind Of(string name) => ByName[name];
}
