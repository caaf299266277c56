using LanguageModel.Models;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;

namespace LanguageModel.Commands;

/// <summary>What the command line says about a run; null = this sample's own choice.</summary>
internal sealed record TrainingChoices(
    string TokenizerName, int? Vocabulary, double? Minutes, long? Steps, int? Batch, int? Length, double? LearningRate, MatmulPrecision? MatmulPrecision, long Seed)
{
    public const double DefaultMinutes = 3;

    private const double LeastMinutes = 0.001, MostMinutes = 1e6;

    // Many small steps serve a short run best: 1,024 tokens each.
    public const int DefaultBatch = 8, DefaultLength = 128;
    public const double DefaultLearningRate = 4e-3;

    /// <summary>The tokens that every tokenizer here has.</summary>
    public const int Bytes = 256;

    /// <summary>The sizes with the vocabulary that the tokenizer asks for.</summary>
    public Sizes Fit(Sizes sizes) => TokenizerName switch
    {
        "bpe" => sizes,
        "bytes" when Vocabulary is null or Bytes => sizes with { Vocabulary = Bytes },
        "bytes" => throw new UserError($"--vocab is {Vocabulary}, and there are {Bytes} bytes. Leave --vocab out, or choose --tokenizer bpe."),
        _ => throw new UserError($"There is no tokenizer '{TokenizerName}'. Choose bpe or bytes."),
    };

    public ITokenizer Tokenizer(Corpus corpus, int vocabulary)
    {
        if (TokenizerName == "bytes") return new ByteTokenizer();
        Terminal.Say($"Learning {vocabulary:N0} tokens.");
        return BytePairTrainer.Train(corpus.Training.Select(d => d.Text), vocabulary);
    }

    public TrainingOptions Options()
    {
        if (Minutes is not null && Steps is not null) throw new UserError("--minutes and --steps both say how long to train. Give one of them.");
        if (Minutes is { } minutes and not (>= LeastMinutes and <= MostMinutes)) throw new UserError($"--minutes is {minutes}; it must be at least {LeastMinutes} and at most {MostMinutes:N0}.");
        foreach (var (option, value) in new[] { ("--steps", Steps), ("--batch", Batch), ("--length", Length) })
            CommandLine.RequirePositive(option, value);
        if (LearningRate is { } rate && !(rate > 0 && double.IsFinite(rate))) throw new UserError($"--lr is {rate}; it must be above 0, for example {DefaultLearningRate}.");
        var options = new TrainingOptions
        {
            Steps = Steps,
            Duration = Steps is null ? TimeSpan.FromMinutes(Minutes ?? DefaultMinutes) : null,
            Batch = Batch ?? DefaultBatch,
            Window = Length ?? DefaultLength,
            LearningRate = LearningRate ?? DefaultLearningRate,
            MatmulPrecision = MatmulPrecision,
            Seed = Seed,
            Validations = 6,
        };
        return options;
    }

    /// <summary>The options of a run that goes on: its own, and longer where --minutes or --steps says so, or with the products that --matmul-precision asks for.</summary>
    public TrainingOptions Extend(TrainingOptions saved)
    {
        saved = saved with { MatmulPrecision = MatmulPrecision ?? saved.MatmulPrecision };
        if (Minutes is null && Steps is null) return saved;
        var asked = Options();
        return saved with { Steps = asked.Steps, Duration = asked.Duration };
    }
}
