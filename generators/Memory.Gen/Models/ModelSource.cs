using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Models;

/// <summary>From a declaration to the text of its file.</summary>
internal static class ModelSource
{
    /// <summary>The file; null where none can be written that compiles.</summary>
    public static string? Write(Declaration declaration, BuildSpec build)
    {
        EquatableArray<SpecError> errors = ModelRules.Check(declaration).Where(e => !e.IsWarning).ToEquatableArray();
        ModelSpec model = ModelSpec.Fold(declaration);
        if (!build.HasTorch || !build.HasRuntime)
            return StubEmitter.CanStandFor(model.Type, build.Language) ? BareStubEmitter.Emit(model) : null;
        if (errors.Count > 0 || !declaration.IsReadable || !build.IsLanguageNewEnough)
            return StubEmitter.CanStandFor(model.Type, build.Language) ? StubEmitter.Emit(model, errors) : null;
        return model.IsModel ? ModelEmitter.Emit(model) : LayerEmitter.Emit(model);
    }
}
