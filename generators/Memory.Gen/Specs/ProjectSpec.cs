namespace Memory.Gen.Generators.Specs;

/// <summary>Everything that decides what is written for a project.</summary>
/// <param name="Build">What the emitted code needs of the compilation it joins.</param>
/// <param name="Declarations">The classes with [MemoryModel] or [MemoryLayer], each once.</param>
public sealed record ProjectSpec(BuildSpec Build, EquatableArray<Declaration> Declarations);
