using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Memory.Gen.Runtime.Tests")]
[assembly: InternalsVisibleTo("Bench")]
