namespace Memory.Gen.Generators;

/// <summary>The names of the generator's steps, for the tests that watch what an edit runs again.</summary>
public static class TrackingNames
{
    /// <summary>Everything that decides what is written: one <see cref="Specs.ProjectSpec"/>.</summary>
    public const string Project = nameof(Project);

    /// <summary>One <see cref="Specs.Declaration"/> for each declared class.</summary>
    public const string Declarations = nameof(Declarations);

    /// <summary>What the emitted code needs of the compilation: one <see cref="Specs.BuildSpec"/>.</summary>
    public const string Build = nameof(Build);

    /// <summary>Whether the assembly gets a file of its own.</summary>
    public const string Start = nameof(Start);

    /// <summary>The hint names that differ only in case, which a file system or the compiler may not tell apart.</summary>
    public const string Collisions = nameof(Collisions);

    /// <summary>Each declaration with everything its file depends on.</summary>
    public const string Inputs = nameof(Inputs);
}
