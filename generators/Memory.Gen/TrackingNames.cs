namespace Memory.Gen.Generators;

/// <summary>The names of the generator's steps, for the tests that watch what an edit runs again.</summary>
public static class TrackingNames
{
    /// <summary>One <see cref="Specs.Declaration"/> for each class with [MemoryModel].</summary>
    public const string Models = nameof(Models);

    /// <summary>One <see cref="Specs.Declaration"/> for each class with [MemoryLayer].</summary>
    public const string Layers = nameof(Layers);

    /// <summary>What the emitted code needs of the compilation: one <see cref="Specs.BuildSpec"/>.</summary>
    public const string Build = nameof(Build);

    /// <summary>The hint names that differ only in case, which a file system or the compiler may not tell apart.</summary>
    public const string Collisions = nameof(Collisions);

    /// <summary>Each declaration with everything its file depends on.</summary>
    public const string Inputs = nameof(Inputs);
}
