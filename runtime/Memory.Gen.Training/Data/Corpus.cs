using System.Security.Cryptography;
using System.Text;

namespace Memory.Gen.Training.Data;

/// <summary>Text to train on and text that training never sees.</summary>
public sealed class Corpus
{
    // Of all bytes: what is held out on purpose, and the range that whole documents must land in to be taken as they are.
    private const double HeldOutShare = 0.07, LeastShare = 0.05, MostShare = 0.10;

    private Corpus(string name, IReadOnlyList<TextDocument> training, IReadOnlyList<TextDocument> validation, IReadOnlyList<string> leftOut)
    {
        Name = name;
        Training = training;
        Validation = validation;
        LeftOut = leftOut;
        TrainingBytes = training.Sum(d => d.ByteCount);
        ValidationBytes = validation.Sum(d => d.ByteCount);
    }

    /// <summary>Where the text came from.</summary>
    public string Name { get; }

    /// <summary>Documents to train on, in a fixed order.</summary>
    public IReadOnlyList<TextDocument> Training { get; }

    /// <summary>Held-out documents, in a fixed order.</summary>
    public IReadOnlyList<TextDocument> Validation { get; }

    /// <summary>Files of the data folder that are empty or not text: of each its name and the reason.</summary>
    public IReadOnlyList<string> LeftOut { get; }

    /// <summary>Bytes of UTF-8 text to train on.</summary>
    public long TrainingBytes { get; }

    /// <summary>Bytes of UTF-8 text held out.</summary>
    public long ValidationBytes { get; }

    /// <summary>Reads a corpus.</summary>
    /// <param name="path">A text file, a folder of text files, or null for the documentation shipped with the .NET SDK.</param>
    /// <exception cref="IOException">The path does not exist or cannot be read.</exception>
    /// <exception cref="InvalidDataException">There is no text in it, or too little to hold any of it out.</exception>
    public static Corpus Load(string? path = null)
    {
        if (path is null) return FromDocuments("the documentation of the .NET SDK", DotnetDocumentation.Read());
        var (documents, leftOut) = TextFiles.Read(path);
        return FromDocuments(path, documents, leftOut);
    }

    /// <summary>
    /// Splits documents into training and held-out text. Whole documents are held out, in the order of a hash of their names, until
    /// between 5 and 10 % of the bytes are; where documents are too few or too uneven for that, the end of the longest one is.
    /// The choice depends on names and lengths alone.
    /// </summary>
    /// <param name="name">Where the text came from.</param>
    /// <param name="documents">The documents; their order does not matter, their names are distinct.</param>
    /// <param name="leftOut">Files that are not among them because they hold no text, each with the reason.</param>
    /// <exception cref="InvalidDataException">There is too little text to hold any of it out.</exception>
    public static Corpus FromDocuments(string name, IEnumerable<TextDocument> documents, IReadOnlyList<string>? leftOut = null)
    {
        var all = documents.OrderBy(d => d.Name, StringComparer.Ordinal).ToList();
        long total = all.Sum(d => d.ByteCount), heldOut = 0;
        var training = new List<TextDocument>();
        var validation = new List<TextDocument>();
        foreach (var document in all.OrderBy(d => NameHash(d.Name), StringComparer.Ordinal))
        {
            bool take = heldOut < HeldOutShare * total && heldOut + document.ByteCount <= MostShare * total;
            (take ? validation : training).Add(document);
            if (take) heldOut += document.ByteCount;
        }
        if (heldOut < LeastShare * total) HoldOutTail(name, training, validation, (long)(HeldOutShare * total) - heldOut);
        training.Sort(ByName);
        validation.Sort(ByName);
        return new Corpus(name, training, validation, leftOut ?? []);
    }

    private static int ByName(TextDocument a, TextDocument b) => string.CompareOrdinal(a.Name, b.Name);

    private static string NameHash(string name) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name)));

    private static void HoldOutTail(string name, List<TextDocument> training, List<TextDocument> validation, long bytes)
    {
        int longest = 0;
        for (int i = 1; i < training.Count; i++)
            if (training[i].ByteCount > training[longest].ByteCount) longest = i;
        string text = training.Count == 0 ? "" : training[longest].Text;
        int cut = text.Length == 0 ? 0 : text.Length - (int)(bytes * text.Length / training[longest].ByteCount);
        if (cut > 0 && cut < text.Length && char.IsLowSurrogate(text[cut])) cut--;
        int line = text.LastIndexOf('\n', Math.Max(cut - 1, 0)) + 1;
        if (line > text.Length / 2) cut = line;
        if (cut <= 0 || cut >= text.Length)
            throw new InvalidDataException($"{name} holds {(text.Length == 1 ? "1 character" : $"{text.Length} characters")} of text, too little to hold some of it out for validation; give a longer text.");
        string document = training[longest].Name;
        training[longest] = new TextDocument(document, text[..cut]);
        validation.Add(new TextDocument(document + " (end)", text[cut..]));
    }
}
