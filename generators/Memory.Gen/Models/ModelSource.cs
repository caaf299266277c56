using System;
using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Models;

/// <summary>From a declaration to the text of its file.</summary>
internal static class ModelSource
{
    // A file for such a class would only add the compiler's errors to ours: a part that does not fit the others.
    private static readonly string[] WithoutStub = ["MEMGEN001", "MEMGEN002", "MEMGEN003", "MEMGEN004", "MEMGEN005", "MEMGEN006"];

    /// <summary>The file; null where none can be written that compiles.</summary>
    public static string? Write(Declaration declaration, BuildSpec build)
    {
        EquatableArray<SpecError> errors = ModelRules.Check(declaration).Where(e => !e.IsWarning).ToEquatableArray();
        if (!build.HasTorch || !build.HasRuntime || errors.Any(e => WithoutStub.Contains(e.Id, StringComparer.Ordinal)))
            return null;
        ModelSpec model = ModelSpec.Fold(declaration);
        if (!build.IsLanguageNewEnough)
            return null;
        if (errors.Count > 0 || !declaration.IsReadable)
            return StubEmitter.Emit(model, errors);
        return model.IsModel ? ModelEmitter.Emit(model) : LayerEmitter.Emit(model);
    }
}
