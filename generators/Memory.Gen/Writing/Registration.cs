using System.Collections.Generic;

namespace Memory.Gen.Generators.Writing;

/// <summary>Writes how a module names its parts; the names are the keys of its checkpoints.</summary>
internal static class Registration
{
    /// <summary>The field of the declared class, which says for all classes of the file why there is one.</summary>
    public const string Field = "private bool registered;  // a parent calls RegisterComponents again, and a name is taken only once";

    /// <summary>Writes the method; a parent calls it again, and a name may be registered only once.</summary>
    public static void Write(CodeWriter writer, IReadOnlyCollection<string> modules, params string[] parameters)
    {
        writer.Lines("/// <inheritdoc/>");
        using CodeWriter.Scope method = writer.Block("protected override void RegisterComponents()");
        writer.Lines("if (registered) return;", "registered = true;");
        foreach (string parameter in parameters)
            writer.Lines($"register_parameter(nameof({parameter}), {parameter});");
        foreach (string module in modules)
            writer.Lines($"register_module(nameof({module}), {module});");
    }
}
