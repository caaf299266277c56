using System.Globalization;
using Memory.Gen.Runtime.Files;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What the metadata of a saved state says.</summary>
internal sealed record StateHeader(string Model, string Declaration, long Batch, ScalarType Dtype, long[] Positions);

/// <summary>A state as a safetensors file.</summary>
internal static class StateFile
{
    /// <summary>What the metadata of a saved state calls it.</summary>
    public const string Format = "memory-gen-state";

    private const string Version = "1";

    // [1, VocabSize], only in files of a state that a text was generated with, and in none that earlier programs wrote.
    private const string Logits = "next_logits";

    public static void Save(string path, MemoryState state, IReadOnlyDictionary<string, string> more)
    {
        using Tensor positions = state.Positions.cpu();
        var metadata = new Dictionary<string, string>
        {
            ["format"] = Format,
            ["version"] = Version,
            ["model"] = state.Model,
            ["declaration"] = state.Declaration,
            ["batch"] = state.Batch.ToString(CultureInfo.InvariantCulture),
            ["dtype"] = SafetensorsHeader.NameOf(state.Dtype),
            ["positions"] = string.Join(',', positions.data<long>().ToArray()),
        };
        foreach (var (key, value) in more)
            if (!metadata.TryAdd(key, value))
                throw new ArgumentException($"The metadata has '{key}', which every saved state has of its own; choose another name.", "metadata");
        using var scope = NewDisposeScope();
        var tensors = state.Tensors.ToDictionary(t => t.Name, t => t.Value);
        if (state.NextLogits is { } logits)
            tensors.Add(Logits, tensor(logits).to(state.Dtype.Wide()).view(1, -1));
        SafetensorsFile.Write(path, tensors, metadata);
    }

    public static StateHeader HeaderOf(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return HeaderOf(path, file);
    }

    public static void Read(string path, MemoryState state)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(path);
        var header = HeaderOf(path, file);
        file.Verify();
        if (header.Model != state.Model)
            throw new MemoryFileException(path, $"is a state of {header.Model}, not of {state.Model}. Load it with {header.Model}, or choose another file.");
        if (header.Declaration != state.Declaration)
            throw new MemoryFileException(path, $"is a state of {header.Model} as it was declared before ({header.Declaration}); "
                + $"the declaration is now {state.Declaration}. Restore the declaration, or begin a new state.");
        if (header.Batch != state.Batch)
            throw new MemoryFileException(path, $"holds {header.Batch} rows; this state has {state.Batch}.");
        CheckTensors(path, file, state, header);

        var values = state.Tensors.Select(t => file.Read(t.Name, t.Dtype, state.Device)).ToList();
        double[]? logits = file.Entries.ContainsKey(Logits) ? file.Read(Logits, ScalarType.Float64, CPU).data<double>().ToArray() : null;
        Tensor positions = tensor(header.Positions, device: state.Device);
        for (int i = 0; i < values.Count; i++)
            state.Tensors[i].Set(values[i]);
        state.SetPositions(positions);
        state.NextLogits = logits;
    }

    private static StateHeader HeaderOf(string path, SafetensorsFile file)
    {
        string Value(string key) => file.Metadata.GetValueOrDefault(key)
            ?? throw new MemoryFileException(path, $"is no saved state: its metadata has no '{key}'. Choose a file that a state was saved to.");

        if (file.Metadata.GetValueOrDefault("format") is not Format)
            throw new MemoryFileException(path, $"is no saved state: its format is '{file.Metadata.GetValueOrDefault("format") ?? "unknown"}', "
                + $"not '{Format}'. Choose a file that a state was saved to.");
        if (Value("version") is not Version)
            throw new MemoryFileException(path, $"is a saved state of version {Value("version")}; this program reads version {Version}. Use the program that wrote it.");
        string[] positions = Value("positions") is { Length: > 0 } list ? list.Split(',') : [];
        var parsed = new long[positions.Length];
        bool valid = long.TryParse(Value("batch"), NumberStyles.None, CultureInfo.InvariantCulture, out long batch) && batch == positions.Length;
        for (int i = 0; i < positions.Length && valid; i++)
            valid = long.TryParse(positions[i], NumberStyles.None, CultureInfo.InvariantCulture, out parsed[i]);
        if (!valid || !SafetensorsHeader.TryTypeOf(Value("dtype"), out var dtype))
            throw new MemoryFileException(path, "is damaged: its metadata states no valid batch, positions or dtype. Use another copy of it.");
        return new StateHeader(Value("model"), Value("declaration"), batch, dtype, parsed);
    }

    private static void CheckTensors(string path, SafetensorsFile file, MemoryState state, StateHeader header)
    {
        foreach (var tensor in state.Tensors)
            if (!file.Entries.TryGetValue(tensor.Name, out var entry))
                throw new MemoryFileException(path, $"lacks the tensor '{tensor.Name}' that a state of {state.Model} has.");
            else if (!tensor.Fits(entry.Shape))
                throw new MemoryFileException(path, $"has '{tensor.Name}' of shape [{string.Join(", ", entry.Shape)}]; "
                    + $"a state of {state.Model} has [{string.Join(", ", tensor.Shape)}].");
            else if (tensor.Grows && entry.Shape[1] < header.Positions.DefaultIfEmpty().Max())
                throw new MemoryFileException(path, $"has '{tensor.Name}' of {entry.Shape[1]} entries for {header.Positions.Max()} tokens read. Use another copy of it.");
        int found = file.Names.Count - (file.Entries.ContainsKey(Logits) ? 1 : 0);
        if (found < file.Names.Count && (header.Batch != 1 || file.Entries[Logits].Shape is not [1, > 0]))
            throw new MemoryFileException(path, $"has '{Logits}' of shape [{string.Join(", ", file.Entries[Logits].Shape)}] for {header.Batch} rows. Use another copy of it.");
        if (found != state.Tensors.Count)
            throw new MemoryFileException(path, $"has {found} tensors; a state of {state.Model} has {state.Tensors.Count}.");
    }
}
