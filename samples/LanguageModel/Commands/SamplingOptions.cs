using System.CommandLine;
using Memory.Gen.Runtime;

namespace LanguageModel.Commands;

/// <summary>How tokens are chosen, as somebody types it.</summary>
internal sealed class SamplingOptions
{
    private readonly Option<int> tokens, topK = CommandLine.Number<int>("--top-k", "draws from this many likeliest tokens; 0 = all", absent: 0);
    private readonly Option<double> temperature = CommandLine.Number<double>("--temperature", "0 takes the likeliest token, 1 draws from the model's own distribution", absent: 0.8);
    private readonly Option<double> topP = CommandLine.Number<double>("--top-p", "draws from the likeliest tokens that together have this probability", absent: 0.95);
    private readonly Option<long> seed = CommandLine.Number<long>("--seed", "the same seed makes the same text", absent: 1);

    /// <param name="command">Gets the options.</param>
    /// <param name="tokens">What --help says of the number of tokens.</param>
    public SamplingOptions(Command command, string tokens)
    {
        this.tokens = CommandLine.Number<int>("--tokens", tokens, absent: 200);
        foreach (Option option in new Option[] { this.tokens, temperature, topP, topK, seed }) command.Add(option);
    }

    /// <summary>What was asked for.</summary>
    public GenerationOptions Of(ParseResult parsed) => new()
    {
        MaxTokens = parsed.GetValue(tokens),
        Temperature = parsed.GetValue(temperature),
        TopP = parsed.GetValue(topP),
        TopK = parsed.GetValue(topK),
        Seed = parsed.GetValue(seed),
    };

    /// <summary>Does what may refuse an option.</summary>
    /// <exception cref="UserError">An option is out of range; it is called what the person called it.</exception>
    public void Name(Action use)
    {
        try
        {
            use();
        }
        catch (ArgumentOutOfRangeException error) when (OptionOf(error.ParamName) is { } option)
        {
            throw new UserError(Failure.SentenceOf(error).Replace(error.ParamName!, option.Name, StringComparison.Ordinal));
        }
    }

    private Option? OptionOf(string? name) => name switch
    {
        nameof(GenerationOptions.MaxTokens) => tokens,
        nameof(GenerationOptions.Temperature) => temperature,
        nameof(GenerationOptions.TopP) => topP,
        nameof(GenerationOptions.TopK) => topK,
        _ => null,
    };
}
