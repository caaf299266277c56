using System.Text.Json;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Metrics;

namespace Memory.Gen.Training.Reports;

/// <summary>The result of a training run, as <c>result.json</c>; names there are in snake case.</summary>
public sealed record TrainingReport
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, NewLine = "\n" };

    /// <summary>Name of the model.</summary>
    public required string Model { get; init; }

    /// <summary>Trained parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>Who provides torch: package or system.</summary>
    public required string Provider { get; init; }

    /// <summary>Bits a byte on the whole held-out text after training.</summary>
    public required double ValidationBitsPerByte { get; init; }

    /// <summary>Count model with 3 bytes of context.</summary>
    public required double Order3BitsPerByte { get; init; }

    /// <summary>Count model with 4 bytes of context.</summary>
    public required double Order4BitsPerByte { get; init; }

    /// <summary>Count model with 5 bytes of context.</summary>
    public required double Order5BitsPerByte { get; init; }

    /// <summary>gzip of the held-out text alone.</summary>
    public required double GzipBitsPerByte { get; init; }

    /// <summary>Brotli of the held-out text alone.</summary>
    public required double BrotliBitsPerByte { get; init; }

    /// <summary>Tokens trained on a second.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Time spent in steps.</summary>
    public required double TrainSeconds { get; init; }

    /// <summary>Optimizer steps.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens trained on.</summary>
    public required long TrainedTokens { get; init; }

    /// <summary>Bytes they stand for.</summary>
    public required long TrainedBytes { get; init; }

    /// <summary>Where the text came from.</summary>
    public required string Corpus { get; init; }

    /// <summary>Bytes of training text.</summary>
    public required long TrainingBytes { get; init; }

    /// <summary>Bytes of held-out text.</summary>
    public required long ValidationBytes { get; init; }

    /// <summary>Tokens of the tokenizer.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Held-out bits a byte by tokens of context.</summary>
    public required IReadOnlyList<ContextBucket> ByContext { get; init; }

    /// <summary>The training loss.</summary>
    public required IReadOnlyList<LossPoint> TrainingLoss { get; init; }

    /// <summary>Validations during the run.</summary>
    public required IReadOnlyList<LossPoint> Validations { get; init; }

    /// <summary>Puts a report together.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="provider">Who provides torch.</param>
    /// <param name="trainer">The run.</param>
    /// <param name="corpus">Its text.</param>
    /// <param name="vocabSize">Tokens of its tokenizer.</param>
    /// <param name="evaluation">The model on the held-out text after training.</param>
    /// <param name="baselines">The others on the held-out text.</param>
    public static TrainingReport Create(
        string model, long parameters, string provider, Trainer trainer, Corpus corpus, int vocabSize, Evaluation evaluation, Baselines baselines) => new()
    {
        Model = model,
        Parameters = parameters,
        Provider = provider,
        ValidationBitsPerByte = evaluation.BitsPerByte,
        Order3BitsPerByte = baselines.Order3,
        Order4BitsPerByte = baselines.Order4,
        Order5BitsPerByte = baselines.Order5,
        GzipBitsPerByte = baselines.Gzip,
        BrotliBitsPerByte = baselines.Brotli,
        TokensPerSecond = trainer.Tokens / Math.Max(trainer.Elapsed.TotalSeconds, 1e-9),
        TrainSeconds = trainer.Elapsed.TotalSeconds,
        Steps = trainer.Step,
        TrainedTokens = trainer.Tokens,
        TrainedBytes = trainer.Bytes,
        Corpus = corpus.Name,
        TrainingBytes = corpus.TrainingBytes,
        ValidationBytes = corpus.ValidationBytes,
        VocabSize = vocabSize,
        ByContext = evaluation.ByContext,
        TrainingLoss = trainer.History,
        Validations = trainer.Validations,
    };

    /// <summary>The report as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Writes the report.</summary>
    /// <param name="path">The JSON file to create or replace.</param>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, Json));
}
