using System.Collections.Generic;
using System.Linq;

namespace Memory.Gen.Generators.Writing;

/// <summary>A part of an emitted module: its field, which is also its key in a checkpoint, and how it is made.</summary>
/// <param name="Name">The field.</param>
/// <param name="Type">Its type; <c>Parameter</c> for weights of the module's own.</param>
/// <param name="Value">What the constructor gives it.</param>
/// <param name="Axes">What the comment beside it says; null for none.</param>
internal sealed record ModulePart(string Name, string Type, string Value, string? Axes = null)
{
    /// <summary>Whether it is registered as a parameter.</summary>
    public bool IsParameter => Type == "Parameter";

    /// <summary>A linear map.</summary>
    public static ModulePart Linear(string name, string from, string to, string axes) =>
        new(name, "Linear", $"nn.Linear({from}, {to}, hasBias: false, device: device, dtype: dtype)", axes);

    /// <summary>A short convolution.</summary>
    public static ModulePart Convolution(string name, string channels, int width, bool hasBias = false) =>
        new(name, "ShortConvolution", $"new ShortConvolution({channels}, width: {width}, {(hasBias ? "hasBias: true, " : "")}device: device, dtype: dtype)", "along the tokens, then SiLU");

    /// <summary>An RMS norm.</summary>
    public static ModulePart Norm(string name, string features, string axes) =>
        new(name, "RmsNorm", $"new RmsNorm({features}, device: device, dtype: dtype)", axes);

    /// <summary>Weights of the module's own.</summary>
    public static ModulePart Parameter(string name, string value, string axes) => new(name, "Parameter", value, axes);

    /// <summary>A nested module.</summary>
    public static ModulePart Module(string name, string type) => new(name, type, $"new {type}(device, dtype)");

    /// <summary>Writes the fields, those that are alike in one line, and the constructor.</summary>
    public static void WriteFieldsAndConstructor(CodeWriter writer, string module, IReadOnlyList<ModulePart> parts)
    {
        writer.Lines(Fields(parts).Append("private bool registered;").Append("").ToArray());
        using CodeWriter.Scope constructor = writer.Block($"public {module}(Device? device, ScalarType? dtype) : base(nameof({module}))");
        writer.Lines(parts.Select(p => $"{p.Name} = {p.Value};").Append("RegisterComponents();").ToArray());
    }

    /// <summary>Writes how the module names its parts.</summary>
    public static void WriteRegistration(CodeWriter writer, IReadOnlyList<ModulePart> parts) => Registration.Write(
        writer, parts.Where(p => !p.IsParameter).Select(p => p.Name).ToArray(), parts.Where(p => p.IsParameter).Select(p => p.Name).ToArray());

    /// <summary>The fields, one line for those that are alike.</summary>
    public static IEnumerable<string> Fields(IReadOnlyList<ModulePart> parts)
    {
        string remark = "; to() puts a new parameter in its place";
        for (int i = 0, next; i < parts.Count; i = next)
        {
            ModulePart part = parts[i];
            for (next = i + 1; next < parts.Count && part.IsLike(parts[next]);)
                next++;
            string names = string.Join(", ", parts.Skip(i).Take(next - i).Select(p => p.Name));
            string axes = part.Axes is null ? "" : "  // " + part.Axes;
            if (part.IsParameter)
                (axes, remark) = (axes + remark, "");
            yield return "private " + (part.IsParameter ? "" : "readonly ") + $"{part.Type} {names};{axes}";
        }
    }

    private bool IsLike(ModulePart other) => (Type, Axes) == (other.Type, other.Axes);
}
