using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Models;

/// <summary>What can be wrong with the class that carries the attributes.</summary>
internal static class TypeRules
{
    private const string Constructor = Microsoft.CodeAnalysis.WellKnownMemberNames.InstanceConstructorName;

    /// <summary>The place of an error in a constructor with the written one's parameters.</summary>
    public const string WrittenConstructor = Constructor + "(Device?, ScalarType?)";

    public static void Check(Declaration declaration, List<SpecError> errors)
    {
        TypeSpec type = declaration.Type;
        if (type.Flaw is not null)
            Add("MEMGEN004", type.Name, type.Flaw);
        else if (type.IsGeneric)
            Add("MEMGEN003", type.Name, "is generic", "declare it without type parameters");
        else if (type.Containers.FirstOrDefault(c => c.IsGeneric) is { } generic)
            Add("MEMGEN003", type.Name, $"lies in the generic '{generic.Name}'", "move it out");
        else if (!type.IsPartial)
            Add("MEMGEN001", type.Name, declaration.Root.Spec.Kind);
        foreach (ContainerSpec container in type.Containers.Where(c => !c.IsPartial && !c.IsGeneric))
            AddAt(container.Name, "MEMGEN002", container.Name, type.Name, container.Keyword);
        if (type.WrongBase is not null && type.Flaw is null)
            Add("MEMGEN005", type.Name, type.WrongBase.Name);
        foreach (string name in EmittedNames.Of(declaration).Where(n => type.Members.Contains(n)))
            AddAt(name, "MEMGEN006", type.Name, $"declares '{name}', which Memory.Gen writes", "rename or remove yours");
        if (EmittedNames.Of(declaration).Contains(type.Name))
            Add("MEMGEN006", type.Name, "declares its own name as that of a member, which Memory.Gen writes", "rename it");
        if (type.TakenWord is { } word and not TakenWords.Dynamic)
            Add("MEMGEN006", type.Name, $"stands where '{word}' is a name of yours, and every {word} that is written for it would mean that", "rename yours");
        if (type.Flaw is null && type.HasPrimaryConstructor)
            Add("MEMGEN006", type.Name, "declares a primary constructor, which every other would have to go on to, the written one too", "move its parameters to a constructor of its own that ends in ': this()'");
        else if (type is { Flaw: null, WrongBase: null, OpenConstructor: { } continuation })
            AddAt(Constructor, "MEMGEN006", type.Name, "declares a constructor that goes past the written one, which makes its layers", $"add '{continuation}' to it");
        if (type is { Flaw: null, HasWrittenConstructor: true })
            AddAt(WrittenConstructor, "MEMGEN006", type.Name, "declares a constructor with the parameters (Device?, ScalarType?), which Memory.Gen writes", "remove yours, or give it other parameters and ': this()'");

        void Add(string id, params string[] args) => AddAt("", id, args);

        void AddAt(string name, string id, params string[] args) => errors.Add(new SpecError(id, -1, name, args.ToEquatableArray()));
    }
}
