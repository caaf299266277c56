using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.BMojo;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Memories.MixtureOfMemories;
using Memory.Gen.Generators.Memories.SelectiveStateSpace;
using Memory.Gen.Generators.Memories.SlidingAttention;
using Memory.Gen.Generators.Memories.Titans;

namespace Memory.Gen.Generators.Memories;

/// <summary>The table of all architectures: a new one is a line here, a folder beside this file, and an attribute.</summary>
internal static class MemoryKinds
{
    private static readonly Dictionary<string, MemoryKind> ByName = new MemoryKind[]
    {
        new MemoryKind<SlidingAttentionSpec>("SlidingAttention", SlidingAttentionSpec.Read, SlidingAttentionRules.Check, static (s, d) => new SlidingAttentionEmitter(s, d)),
        new MemoryKind<LinearMemorySpec>("LinearMemory", LinearMemorySpec.Read, LinearMemoryRules.Check, static (s, d) => s.StateSpace ? new StateSpaceEmitter(s, d) : new LinearMemoryEmitter(s, d)),
        new MemoryKind<MixtureOfMemoriesSpec>("MixtureOfMemories", MixtureOfMemoriesSpec.Read, MixtureOfMemoriesRules.Check, static (s, d) => new MixtureOfMemoriesEmitter(s, d)),
        new MemoryKind<SelectiveStateSpaceSpec>("SelectiveStateSpace", SelectiveStateSpaceSpec.Read, SelectiveStateSpaceRules.Check, static (s, d) => new SelectiveStateSpaceEmitter(s, d)),
        new MemoryKind<BMojoSpec>("BMojoMemory", BMojoSpec.Read, BMojoRules.Check, static (s, d) => new BMojoEmitter(s, d)),
        new MemoryKind<TitansSpec>("TitansMemory", TitansSpec.Read, TitansRules.Check, static (s, d) => new TitansEmitter(s, d)),
    }.ToDictionary(k => k.Name);

    /// <summary>Whether an attribute's name without its suffix is that of a mixer.</summary>
    public static bool IsMixer(string name) => ByName.ContainsKey(name);

    /// <summary>The kind of a mixer attribute.</summary>
    public static MemoryKind Of(string name) => ByName[name];
}
