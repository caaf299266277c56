using Xunit;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>Tests of what the whole process shares (tensor count, resident memory, environment): nothing runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "Alone";
}
