using System.Text;

namespace Memory.Gen.Training.Data;

/// <summary>Reads UTF-8 text files and tells text from everything else.</summary>
public static class TextFiles
{
    private const long LargestFile = 1L << 29;
    private const double InvalidShare = 0.001;

    /// <summary>Reads one file, or every text file under a folder; files there that are empty or not text are left out.</summary>
    /// <param name="path">A file or a folder. Hidden entries and links under a folder are not followed.</param>
    /// <returns>The documents, named by their path relative to the folder, and of each file that was left out its name and the reason.</returns>
    /// <exception cref="IOException">The path does not exist or cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file, or every file of the folder, is empty or not text.</exception>
    public static (IReadOnlyList<TextDocument> Documents, IReadOnlyList<string> LeftOut) Read(string path)
    {
        if (File.Exists(path))
        {
            byte[] bytes = ReadBytes(path);
            return Decode(bytes, out string problem) is { } text
                ? ([new TextDocument(Path.GetFileName(path), text)], [])
                : throw new InvalidDataException($"{path} {problem}; give a UTF-8 text file or a folder of them.");
        }
        if (!Directory.Exists(path)) throw new FileNotFoundException($"{path} does not exist{(Path.IsPathRooted(path) ? "" : $" in {Directory.GetCurrentDirectory()}")}; give a text file or a folder of text files.");

        var documents = new List<TextDocument>();
        var leftOut = new List<string>();
        foreach (string file in Files(path))
        {
            string name = Path.GetRelativePath(path, file).Replace('\\', '/');
            if (Decode(ReadBytes(file), out string problem) is { } text)
                documents.Add(new TextDocument(name, text));
            else
                leftOut.Add($"{name} {problem}");
        }
        if (documents.Count == 0)
            throw new InvalidDataException(leftOut.Count == 0
                ? $"The folder {path} holds no files; give a text file or a folder of text files."
                : $"None of the {leftOut.Count} files in the folder {path} is UTF-8 text ({leftOut[0]}); give a text file or a folder of text files.");
        return (documents, leftOut);
    }

    /// <summary>The text in a file's bytes, or null where it is empty or not text: a NUL byte, or more than 0.1 % of bytes that are not UTF-8.</summary>
    /// <param name="bytes">The whole content of a file.</param>
    /// <param name="problem">What is wrong, to stand after the file's name; empty where nothing is.</param>
    public static string? Decode(ReadOnlySpan<byte> bytes, out string problem)
    {
        problem = "";
        if (bytes.StartsWith(Encoding.UTF8.Preamble)) bytes = bytes[Encoding.UTF8.Preamble.Length..];
        if (bytes.IndexOfAnyExcept(" \t\r\n"u8) < 0)
        {
            problem = "is empty";
            return null;
        }
        if (bytes.Contains((byte)0))
        {
            problem = "is not text (it contains NUL bytes)";
            return null;
        }
        long invalid = 0;
        for (var rest = bytes; !rest.IsEmpty;)
        {
            int valid = System.Text.Unicode.Utf8.IsValid(rest) ? rest.Length : 0;
            if (valid == 0)
            {
                while (Rune.DecodeFromUtf8(rest[valid..], out _, out int length) == System.Buffers.OperationStatus.Done) valid += length;
                Rune.DecodeFromUtf8(rest[valid..], out _, out int broken);
                invalid += broken;
                valid += broken;
            }
            rest = rest[valid..];
        }
        if (invalid > InvalidShare * bytes.Length)
        {
            problem = $"is not UTF-8 text ({invalid} of its {bytes.Length} bytes cannot be decoded)";
            return null;
        }
        return Encoding.UTF8.GetString(bytes).ReplaceLineEndings("\n");
    }

    private static byte[] ReadBytes(string file)
    {
        try
        {
            long length = new FileInfo(file).Length;
            if (length > LargestFile)
                throw new InvalidDataException($"{file} has {length} bytes, more than the {LargestFile} that one document may have; split it into several files.");
            return File.ReadAllBytes(file);
        }
        catch (UnauthorizedAccessException)
        {
            throw new IOException($"{file} cannot be read: permission denied.");
        }
    }

    private static IEnumerable<string> Files(string folder)
    {
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            IgnoreInaccessible = true,
            AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
        };
        return Directory.EnumerateFiles(folder, "*", options).Order(StringComparer.Ordinal);
    }
}
