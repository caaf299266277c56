using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>
/// C# source of an assembly that has TorchSharp's listed API and nothing in its bodies. What compiles against it uses only
/// types, members, parameter names and overloads that the real package has.
/// The list does not say which methods are extensions, what type parameters are bound to, or which fields are protected: those are set down here.
/// </summary>
internal sealed partial class EmptyBodies
{
    private static readonly Dictionary<string, string> Operators = new()
    {
        ["op_Addition"] = "+", ["op_Subtraction"] = "-", ["op_Multiply"] = "*", ["op_Division"] = "/", ["op_Modulus"] = "%",
        ["op_UnaryNegation"] = "-", ["op_UnaryPlus"] = "+", ["op_OnesComplement"] = "~", ["op_LogicalNot"] = "!",
        ["op_BitwiseAnd"] = "&", ["op_BitwiseOr"] = "|", ["op_ExclusiveOr"] = "^", ["op_LeftShift"] = "<<", ["op_RightShift"] = ">>",
        ["op_Equality"] = "==", ["op_Inequality"] = "!=", ["op_LessThan"] = "<", ["op_LessThanOrEqual"] = "<=",
        ["op_GreaterThan"] = ">", ["op_GreaterThanOrEqual"] = ">=", ["op_Increment"] = "++", ["op_Decrement"] = "--",
        ["op_True"] = "true", ["op_False"] = "false",
    };

    // Element names of tuples, which reflection does not see.
    private static readonly Dictionary<string, string> TupleNames = new()
    {
        ["named_parameters"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.Modules.Parameter parameter)>",
        ["named_buffers"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.torch.Tensor buffer)>",
        ["named_children"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.torch.nn.Module module)>",
        ["named_modules"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.torch.nn.Module module)>",
    };

    private readonly Dictionary<string, ApiType> types;
    private readonly HashSet<string> names;
    private readonly StringBuilder text = new();

    private EmptyBodies(IEnumerable<ApiLine> lines)
    {
        types = lines.GroupBy(l => l.Owner).Select(g => new ApiType(g.Key, g)).ToDictionary(t => ApiType.Key(t.FullName));
        names = [.. types.Values.Select(t => Generic().Replace(t.FullName, ""))];
    }

    internal static string Source(IEnumerable<ApiLine> lines) => new EmptyBodies(lines).Write();

    private string Write()
    {
        text.AppendLine("#nullable disable");
        text.AppendLine("namespace TorchSharp { internal struct EmptyBody { } }");
        foreach (ApiType type in types.Values)
        {
            string outer = string.Join('.', type.Segments[..^1]);
            if (types.ContainsKey(ApiType.Key(outer))) continue;
            text.AppendLine(CultureInfo.InvariantCulture, $"namespace {outer} {{");
            WriteType(type);
            text.AppendLine("}");
        }
        return text.ToString();
    }

    private void WriteType(ApiType type)
    {
        if (type.BaseClass is { } b && !Known(b)) return;
        if (type.BaseClass == "System.Runtime.InteropServices.SafeHandle") return;
        string generics = type.TypeParameters.Length > 0 ? $"<{string.Join(", ", type.TypeParameters)}>" : "";
        if (type.IsDelegate)
        {
            if (type.Members.FirstOrDefault(m => m.Signature.Contains(" Invoke(", StringComparison.Ordinal)) is { } invoke && Known(invoke.Signature)
                && ApiSignature.Parse(invoke.Signature) is var signature)
                text.AppendLine(CultureInfo.InvariantCulture, $"public delegate {Fix(signature.Result)} {type.Name}{generics}({Parameters(signature)});");
            return;
        }
        if (type.IsEnum)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"public enum {type.Name} {{ {string.Join(", ", type.Members.Select(m => "@" + m.Signature.Split(' ', 3)[2]))} }}");
            return;
        }
        string shape = type.IsInterface ? "interface" : type.IsStruct ? "struct" : type.Shape;
        List<string> bases = [.. type.Bases.Where(Known)];
        text.AppendLine(CultureInfo.InvariantCulture, $"public {shape} @{type.Name}{generics}{(bases.Count > 0 ? " : " + string.Join(", ", bases.Select(Fix)) : "")}{Constraints(type.FullName, "", type.TypeParameters)} {{");
        if (!type.IsInterface && !type.IsStruct && !type.IsStatic)
            text.AppendLine(CultureInfo.InvariantCulture, $"internal {type.Name}(global::TorchSharp.EmptyBody empty){BaseCall(type)} {{ }}");
        foreach (ApiLine member in type.Members.Where(m => Known(m.Signature))) WriteMember(type, member);
        foreach (string name in type.Interfaces) WriteInterface(name);
        foreach (ApiType nested in types.Values.Where(t => t.Segments.Length == type.Segments.Length + 1 && Outer(t) == type.FullName)) WriteType(nested);
        text.AppendLine("}");
    }

    private static string Outer(ApiType type) => string.Join('.', type.Segments[..^1]);

    private void WriteMember(ApiType type, ApiLine member)
    {
        switch (member.Kind)
        {
            case "ctor": WriteConstructor(type, ApiSignature.Parse(member.Signature)); break;
            case "method": WriteMethod(type, ApiSignature.Parse(member.Signature)); break;
            case "property": WriteProperty(type, member.Signature); break;
            case "field": WriteField(type, member.Signature); break;
        }
    }

    private void WriteConstructor(ApiType type, ApiSignature signature)
    {
        if (type.IsStruct && signature.Parameters.Count == 0) return;
        text.AppendLine(CultureInfo.InvariantCulture, $"{(signature.Is("protected") ? "protected" : "public")} {type.Name}({Parameters(signature)}){BaseCall(type)} => throw null;");
    }

    private void WriteMethod(ApiType type, ApiSignature signature)
    {
        if (signature.Name == "Finalize") return;
        string access = type.IsInterface ? "" : signature.Is("protected") ? "protected " : "public ";
        if (signature.Name is "op_Implicit" or "op_Explicit")
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"public static {(signature.Name == "op_Implicit" ? "implicit" : "explicit")} operator {Fix(signature.Result)}({Parameters(signature)}) => throw null;");
            return;
        }
        if (Operators.TryGetValue(signature.Name, out string? symbol))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"public static {Fix(signature.Result)} operator {symbol}({Parameters(signature)}) => throw null;");
            return;
        }
        bool overrides = !type.IsInterface && Overrides(type, signature);
        string kind = type.IsInterface ? ""
            : signature.Is("static") ? "static "
            : signature.Is("abstract") ? overrides ? "abstract override " : "abstract "
            : overrides ? "override "
            : signature.Is("virtual") && !type.IsSealed && !type.IsStruct ? "virtual " : "";
        string generics = signature.TypeParameters.Count > 0 ? $"<{string.Join(", ", signature.TypeParameters)}>" : "";
        string constraints = overrides ? "" : Constraints(type.FullName, signature.Name, signature.TypeParameters);
        string result = TupleNames.GetValueOrDefault(signature.Name, signature.Result);
        bool extension = type.IsStatic && type.Segments.Length == 2 && type.Name.EndsWith("ExtensionMethods", StringComparison.Ordinal) && signature.Parameters is [{ Modifier: "" }, ..];
        string body = type.IsInterface || signature.Is("abstract") ? ";" : " => throw null;";
        text.AppendLine(CultureInfo.InvariantCulture, $"{access}{kind}{Unsafe(signature)}{Fix(result)} @{signature.Name}{generics}({(extension ? "this " : "")}{Parameters(signature)}){constraints}{body}");
    }

    private void WriteProperty(ApiType type, string listed)
    {
        bool isStatic = listed.StartsWith("static ", StringComparison.Ordinal);
        if (isStatic) listed = listed[7..];
        int brace = listed.LastIndexOf('{');
        string head = listed[..brace].Trim(), accessors = listed[brace..];
        string body = type.IsInterface ? accessors : accessors.Replace("get;", "get => throw null;", StringComparison.Ordinal).Replace("set;", "set { }", StringComparison.Ordinal);
        string access = (type.IsInterface ? "" : "public ") + (isStatic ? "static " : "");
        if (Indexer().Match(head) is { Success: true } indexer)
        {
            string parameters = string.Join(", ", ApiSignature.Split(indexer.Groups[3].Value).Select(p => Parameter(ApiSignature.ParseParameter(p))));
            if (indexer.Groups[2].Value != "Item") text.AppendLine(CultureInfo.InvariantCulture, $"[System.Runtime.CompilerServices.IndexerName(\"{indexer.Groups[2].Value}\")]");
            text.AppendLine(CultureInfo.InvariantCulture, $"{access}{Fix(indexer.Groups[1].Value)} this[{parameters}] {body}");
            return;
        }
        int space = head.LastIndexOf(' ');
        // The one abstract property that is overridden outside; the list does not say.
        if (head == "string Name" && type.FullName == "TorchSharp.torch.autograd.Function<T>") (access, body) = ("public abstract ", accessors);
        text.AppendLine(CultureInfo.InvariantCulture, $"{access}{Fix(head[..space])} @{head[(space + 1)..]} {body}");
    }

    private void WriteField(ApiType type, string listed)
    {
        bool isStatic = listed.StartsWith("static ", StringComparison.Ordinal);
        if (isStatic) listed = listed[7..];
        int space = listed.LastIndexOf(' ');
        string name = listed[(space + 1)..];
        bool isProtected = name.StartsWith('_') || name.EndsWith("_hooks", StringComparison.Ordinal) || type.FullName == "TorchSharp.torch.nn.Module";
        text.AppendLine(CultureInfo.InvariantCulture, $"{(isProtected ? "protected" : "public")} {(isStatic ? "static " : "")}{Fix(listed[..space])} @{name};");
    }

    // An interface of the framework is implemented explicitly, whatever public members there are; those of the list are by public members.
    private void WriteInterface(string name)
    {
        if (name.StartsWith("TorchSharp.", StringComparison.Ordinal)) return;
        var (plain, arguments) = ApiType.NameAndArguments(name);
        Type? declared = AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetType(arguments.Length > 0 ? $"{plain}`{arguments.Length}" : plain)).FirstOrDefault(t => t is { IsInterface: true });
        if (declared is null) return;
        Dictionary<string, string> map = declared.GetGenericArguments().Zip(arguments).ToDictionary(p => p.First.Name, p => p.Second);
        foreach (MethodInfo method in declared.GetMethods().Where(m => !m.IsSpecialName && m.IsAbstract && !m.IsStatic))
        {
            string parameters = string.Join(", ", method.GetParameters().Select(p => (p.IsOut ? "out " : "") + Fix(Written(p.ParameterType, map)) + " @" + p.Name));
            text.AppendLine(CultureInfo.InvariantCulture, $"{Fix(Written(method.ReturnType, map))} {Fix(name)}.{method.Name}({parameters}) => throw null;");
        }
        foreach (PropertyInfo property in declared.GetProperties().Where(p => p.GetMethod is not { IsAbstract: false }))
        {
            string accessors = (property.CanRead ? "get => throw null; " : "") + (property.CanWrite ? "set { } " : "");
            string parameters = string.Join(", ", property.GetIndexParameters().Select(p => $"{Fix(Written(p.ParameterType, map))} @{p.Name}"));
            text.AppendLine(CultureInfo.InvariantCulture, $"{Fix(Written(property.PropertyType, map))} {Fix(name)}.{(parameters.Length > 0 ? $"this[{parameters}]" : property.Name)} {{ {accessors}}}");
        }
    }

    private static string Written(Type type, Dictionary<string, string> map)
    {
        if (type.IsByRef) return Written(type.GetElementType()!, map);
        if (type.IsGenericParameter) return map[type.Name];
        if (type.IsArray) return Written(type.GetElementType()!, map) + "[]";
        if (type == typeof(void)) return "void";
        return type.IsGenericType ? $"{type.Namespace}.{type.Name[..type.Name.IndexOf('`')]}<{string.Join(", ", type.GetGenericArguments().Select(a => Written(a, map)))}>" : type.FullName!;
    }

    private bool Overrides(ApiType type, ApiSignature signature)
    {
        if (signature.Is("static")) return false;
        if (signature.Overload is "ToString`0()" or "GetHashCode`0()" or "Equals`0(object)") return true;
        for (var (name, map) = (type.BaseClass, new Dictionary<string, string>()); name is not null;)
        {
            name = ApiSignature.Substitute(name, map);
            if (!types.TryGetValue(ApiType.Key(name), out ApiType? parent)) return false;
            map = parent.TypeParameters.Zip(ApiType.NameAndArguments(ApiType.SplitDots(name).Last()).Arguments).ToDictionary(p => p.First, p => p.Second);
            foreach (ApiLine member in parent.Members.Where(m => m.Kind == "method"))
            {
                ApiSignature inherited = ApiSignature.Parse(ApiSignature.Substitute(member.Signature, map));
                if (inherited.Overload == signature.Overload && (inherited.Is("virtual") || inherited.Is("abstract"))) return true;
            }
            name = parent.BaseClass;
        }
        return false;
    }

    private string BaseCall(ApiType type) =>
        type.BaseClass is { } name && types.ContainsKey(ApiType.Key(name)) ? " : base(default(global::TorchSharp.EmptyBody))" : "";

    private static string Constraints(string owner, string method, IReadOnlyList<string> parameters)
    {
        const string Module = "global::TorchSharp.torch.nn.Module";
        string? bound = (owner, method) switch
        {
            ("TorchSharp.ModuleExtensionMethods", _) => Module,
            ("TorchSharp.torch.nn", "ModuleList" or "ModuleDict") => Module,
            ("TorchSharp.torch.nn.Module", "Create") => Module,
            ("TorchSharp.Modules.ModuleList<T>" or "TorchSharp.Modules.ModuleDict<T>", "") => Module,
            ("TorchSharp.Modules.ParamGroup<TOptions>", "") => "global::TorchSharp.Modules.OptimizerOptions",
            ("TorchSharp.Modules.OptimizerHelper", "_step") => "global::TorchSharp.Modules.ParamGroup",
            ("TorchSharp.torch.autograd.Function<T>", "") => "global::TorchSharp.torch.autograd.Function<T>, new()",
            ("TorchSharp.torch.autograd.SingleTensorFunction<T>", "") => "global::TorchSharp.torch.autograd.SingleTensorFunction<T>, new()",
            ("TorchSharp.torch.autograd.MultiTensorFunction<T>", "") => "global::TorchSharp.torch.autograd.MultiTensorFunction<T>, new()",
            ("TorchSharp.DisposeScope", _) => "global::System.IDisposable",
            ("TorchSharp.torch.Tensor" or "TorchSharp.TensorExtensionMethods" or "TorchSharp.Utils.TensorAccessor<T>" or "TorchSharp.torch.Storage<T>", _) => "unmanaged",
            _ => null,
        };
        return bound is null ? "" : string.Concat(parameters.Select(p => $" where {p} : {bound}"));
    }

    private string Parameters(ApiSignature signature) => string.Join(", ", signature.Parameters.Select(Parameter));

    private string Parameter(ApiParameter parameter)
    {
        string modifier = parameter.Modifier.Length > 0 ? parameter.Modifier + " " : "";
        return $"{modifier}{Fix(parameter.Type)} @{parameter.Name}{Default(parameter)}";
    }

    private string Default(ApiParameter parameter)
    {
        if (parameter.Default is not { } value) return "";
        string type = parameter.Type.TrimEnd('?');
        string literal = value switch
        {
            "null" => "default",
            "NaN" => "double.NaN",
            "Infinity" => "double.PositiveInfinity",
            "-Infinity" => "double.NegativeInfinity",
            _ when types.TryGetValue(ApiType.Key(type), out ApiType? declared) && declared.IsEnum => $"({Fix(type)})({value})",
            _ when type == "float" => value + "f",
            _ when type == "System.Char" => $"'{value}'",
            _ when type is "double" => value + "d",
            _ => value,
        };
        return " = " + literal;
    }

    private static string Unsafe(ApiSignature signature) => signature.Result.Contains('*') || signature.Parameters.Any(p => p.Type.Contains('*')) ? "unsafe " : "";

    private bool Known(string signature) => Listed().Matches(signature).All(m => names.Contains(m.Value)) && !signature.Contains("SkiaSharp.", StringComparison.Ordinal);

    private static string Fix(string type) => Root().Replace(type, "global::$1.");

    [GeneratedRegex(@"(?<![\w.:])(TorchSharp|System)\.")]
    private static partial Regex Root();

    [GeneratedRegex(@"(?<![\w.])TorchSharp\.\w+(\.\w+)*")]
    private static partial Regex Listed();

    [GeneratedRegex("<[^<>]*>")]
    private static partial Regex Generic();

    [GeneratedRegex(@"^(.*?) (\w+)\[(.+)\]$")]
    private static partial Regex Indexer();
}
