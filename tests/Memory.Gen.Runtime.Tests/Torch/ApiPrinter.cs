using System.Globalization;
using System.Reflection;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>Prints what an assembly offers in the format of the list: every public and protected member, one line each.</summary>
internal static class ApiPrinter
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(long)] = "long", [typeof(int)] = "int", [typeof(short)] = "short", [typeof(sbyte)] = "sbyte", [typeof(byte)] = "byte", [typeof(bool)] = "bool",
        [typeof(double)] = "double", [typeof(float)] = "float", [typeof(string)] = "string", [typeof(object)] = "object", [typeof(void)] = "void",
    };

    internal static IEnumerable<ApiLine> Lines(Assembly assembly) => assembly.GetTypes().Where(IsVisible).SelectMany(Lines).Distinct();

    private static IEnumerable<ApiLine> Lines(Type type)
    {
        string owner = Name(type);
        yield return new ApiLine(owner, "type", Shape(type));
        foreach (ConstructorInfo c in type.GetConstructors(Declared).Where(IsReachable)) yield return new ApiLine(owner, "ctor", $"{Access(c)}({Parameters(c)})");
        foreach (MethodInfo m in type.GetMethods(Declared).Where(m => IsReachable(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal))))
            yield return new ApiLine(owner, "method", $"{Access(m)}{Kind(m)}{Name(m.ReturnType)} {m.Name}{Generics(m)}({Parameters(m)})");
        foreach (PropertyInfo p in type.GetProperties(Declared).Where(p => p.GetAccessors(true).Any(IsReachable))) yield return new ApiLine(owner, "property", Property(p));
        foreach (FieldInfo f in type.GetFields(Declared).Where(f => (f.IsPublic || f.IsFamily) && !f.IsSpecialName))
            yield return new ApiLine(owner, "field", $"{(f.IsStatic ? "static " : "")}{Name(f.FieldType)} {f.Name}{(type.IsEnum ? $" = {Convert.ToInt64(f.GetRawConstantValue(), CultureInfo.InvariantCulture)}" : "")}");
    }

    private static string Shape(Type type)
    {
        string modifier = type is { IsAbstract: true, IsSealed: true } ? "static " : type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "";
        string kind = type.IsEnum ? "enum" : type.IsValueType ? "struct" : type.IsInterface ? "interface" : "class";
        IEnumerable<Type> bases = type.BaseType is { } b && b != typeof(object) && b != typeof(ValueType) ? [b, .. type.GetInterfaces()] : type.GetInterfaces();
        string list = string.Join(", ", bases.Select(Name));
        return modifier + kind + (list.Length > 0 ? " : " + list : "");
    }

    private static string Property(PropertyInfo p)
    {
        string indexes = p.GetIndexParameters() is { Length: > 0 } list ? $"[{string.Join(", ", list.Select(Parameter))}]" : "";
        string get = p.GetMethod is { } g && IsReachable(g) ? " get;" : "", set = p.SetMethod is { } s && IsReachable(s) ? " set;" : "";
        return $"{(p.GetAccessors(true)[0].IsStatic ? "static " : "")}{Name(p.PropertyType)} {p.Name}{indexes} {{{get}{set} }}";
    }

    private static bool IsVisible(Type t) => t.IsNested ? (t.IsNestedPublic || t.IsNestedFamily) && IsVisible(t.DeclaringType!) : t.IsPublic;

    private static bool IsReachable(MethodBase m) => m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly;

    private static string Access(MethodBase m) => m.IsPublic ? "" : "protected ";

    private static string Kind(MethodInfo m) => m.IsStatic ? "static " : m.IsAbstract ? "abstract " : m is { IsVirtual: true, IsFinal: false } ? "virtual " : "";

    private static string Generics(MethodInfo m) => m.IsGenericMethod ? $"<{string.Join(", ", m.GetGenericArguments().Select(a => a.Name))}>" : "";

    private static string Parameters(MethodBase m) => string.Join(", ", m.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo p)
    {
        Type type = p.ParameterType;
        string modifier = type.IsByRef ? p.IsOut ? "out " : p.IsIn ? "in " : "ref " : p.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
        return $"{modifier}{Name(type.IsByRef ? type.GetElementType()! : type)} {p.Name}{(p.HasDefaultValue ? " = " + Value(p.RawDefaultValue) : "")}";
    }

    private static string? Value(object? value) => value switch
    {
        null => "null",
        string s => $"\"{s}\"",
        bool b => b ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    private static string Name(Type t)
    {
        if (t.IsArray) return $"{Name(t.GetElementType()!)}[{new string(',', t.GetArrayRank() - 1)}]";
        if (t.IsPointer) return Name(t.GetElementType()!) + "*";
        if (t.IsGenericParameter) return t.Name;
        if (Nullable.GetUnderlyingType(t) is { } u) return Name(u) + "?";
        if (Keywords.TryGetValue(t, out string? keyword)) return keyword;
        Type[] arguments = t.GetGenericArguments();
        int outer = t.DeclaringType?.GetGenericArguments().Length ?? 0;
        string prefix = t.IsNested ? Name(Outer(t, arguments, outer)) + "." : t.Namespace is { Length: > 0 } n ? n + "." : "";
        int tick = t.Name.IndexOf('`');
        return tick < 0 ? prefix + t.Name : $"{prefix}{t.Name[..tick]}<{string.Join(", ", arguments.Skip(outer).Select(Name))}>";
    }

    private static Type Outer(Type t, Type[] arguments, int count) =>
        t.DeclaringType!.IsGenericTypeDefinition && t is { IsGenericType: true, IsGenericTypeDefinition: false } ? t.DeclaringType.MakeGenericType(arguments[..count]) : t.DeclaringType;
}
