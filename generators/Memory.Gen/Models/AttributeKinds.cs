using Memory.Gen.Generators.Memories;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers;

namespace Memory.Gen.Generators.Models;

/// <summary>All attributes of ours, by their names without the suffix.</summary>
internal static class AttributeKinds
{
    /// <summary>What an attribute does; null for a name that is none of ours.</summary>
    public static AttributeRole? RoleOf(string name) =>
        name is Declaration.ModelKind or Declaration.LayerKind ? AttributeRole.Root
        : MemoryKinds.IsMixer(name) ? AttributeRole.Mixer
        : WrapperKinds.IsWrapper(name) ? AttributeRole.Wrapper
        : null;
}
