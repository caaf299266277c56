using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Memory.Gen.Training.Data;

/// <summary>
/// The English API documentation shipped with every .NET SDK, as plain text: one document an assembly; a type's name, then a paragraph
/// for each member. Paragraphs that are no sentences (signatures of hardware instructions) are left out, and none is there twice:
/// an entry whose summary has been seen is dropped, so nothing held out stands word for word in the training text.
/// </summary>
public static class DotnetDocumentation
{
    /// <summary>Reads the documentation of the installed SDK.</summary>
    /// <exception cref="FileNotFoundException">No SDK with documentation was found.</exception>
    public static IReadOnlyList<TextDocument> Read() => Read(DotnetRoot.DocumentationFiles());

    /// <summary>Reads documentation files.</summary>
    /// <param name="files">XML documentation files. Of several with one name the first counts; files that are not such documents are left out.</param>
    public static IReadOnlyList<TextDocument> Read(IEnumerable<string> files)
    {
        var documents = new List<TextDocument>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string file in files.DistinctBy(Path.GetFileNameWithoutExtension).OrderBy(Path.GetFileNameWithoutExtension, StringComparer.Ordinal))
        {
            string text = ReadAssembly(file, seen);
            if (text.Length > 0) documents.Add(new TextDocument(Path.GetFileNameWithoutExtension(file), text));
        }
        return documents;
    }

    private static string ReadAssembly(string file, HashSet<string> seen)
    {
        var text = new StringBuilder();
        try
        {
            using var reader = XmlReader.Create(file, new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, IgnoreComments = true });
            reader.MoveToContent();
            while (!reader.EOF)
            {
                if (reader.NodeType == XmlNodeType.Element && reader.Name == "member")
                    WriteMember(text, (XElement)XNode.ReadFrom(reader), seen);
                else
                    reader.Read();
            }
        }
        catch (XmlException)
        {
            // What was read before the damage is good text.
        }
        return text.ToString();
    }

    private static void WriteMember(StringBuilder text, XElement member, HashSet<string> seen)
    {
        string summary = string.Join('\n', member.Elements("summary").SelectMany(Paragraphs));
        if (summary.Length == 0 || !seen.Add(summary)) return;

        if (text.Length > 0) text.Append('\n');
        string name = (string?)member.Attribute("name") ?? "";
        if (name.StartsWith("T:", StringComparison.Ordinal)) text.Append(ShortName(name)).Append('\n');
        text.Append(summary).Append('\n');
        foreach (var element in member.Elements())
        {
            string label = element.Name.LocalName switch
            {
                "param" or "typeparam" => (string?)element.Attribute("name") + ": ",
                "returns" => "Returns: ",
                "value" or "remarks" => "",
                _ => "skip",
            };
            if (label == "skip") continue;
            string paragraph = label + string.Join('\n', Paragraphs(element));
            if (paragraph.Length > label.Length && seen.Add(paragraph)) text.Append(paragraph).Append('\n');
        }
    }

    private static IEnumerable<string> Paragraphs(XElement element)
    {
        var text = new StringBuilder();
        WriteText(text, element);
        return text.ToString().Split('\n').Select(Squeeze).Where(p => p.Length > 1 && p[^1] is '.' or '!' or '?' or ':');
    }

    private static string Squeeze(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    // '\n' ends a paragraph; every other run of white space becomes one space later.
    private static void WriteText(StringBuilder text, XElement element)
    {
        foreach (var node in element.Nodes())
        {
            if (node is XText plain)
                text.Append(plain.Value.ReplaceLineEndings("\n").Replace("\n\n", "\v").Replace('\n', ' ').Replace('\v', '\n'));
            else if (node is XElement child)
                WriteElement(text, child);
        }
    }

    private static void WriteElement(StringBuilder text, XElement element)
    {
        switch (element.Name.LocalName)
        {
            case "code":
                break;
            case "paramref" or "typeparamref":
                text.Append((string?)element.Attribute("name"));
                break;
            case "see" or "seealso" or "xref" when element.IsEmpty:
                text.Append((string?)element.Attribute("langword") ?? ShortName((string?)element.Attribute("cref") ?? ""));
                break;
            case "para" or "p" or "item" or "li" or "br":
                text.Append('\n');
                WriteText(text, element);
                text.Append('\n');
                break;
            case "term" or "listheader":
                WriteText(text, element);
                text.Append(' ');
                break;
            default:
                WriteText(text, element);
                break;
        }
    }

    /// <summary>"M:System.Collections.Generic.List`1.Add(`0)" is "List.Add", "M:System.Guid.#ctor" and "T:System.Guid" are "Guid".</summary>
    internal static string ShortName(string reference)
    {
        int colon = reference.IndexOf(':');
        char kind = colon == 1 ? reference[0] : 'T';
        string name = reference[(colon + 1)..].Split('(', '~')[0];
        var parts = name.Split('.').Select(p => p.Split('`', '{')[0]).Where(p => p.Length > 0).ToArray();
        return string.Join('.', parts.TakeLast(kind == 'T' ? 1 : 2)).Replace(".#ctor", "").Replace(".#cctor", "");
    }
}
