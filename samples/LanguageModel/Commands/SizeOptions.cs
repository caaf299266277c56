using System.CommandLine;
using LanguageModel.Models;

namespace LanguageModel.Commands;

/// <summary>The sizes of a model on the command line; what is left out stays as declared.</summary>
internal sealed class SizeOptions
{
    private readonly Option<int?> dim = CommandLine.Number<int>("--dim", "width, instead of the declared one");
    private readonly Option<int?> layers = CommandLine.Number<int>("--layers", "number of layers, instead of the declared one");
    private readonly Option<int?> heads = CommandLine.Number<int>("--heads", "heads of every mixer, instead of the declared ones");
    private readonly Option<string?> pattern = new("--pattern") { Description = "order of the layers, one letter each, instead of the declared one" };
    private readonly Option<int?> vocabulary = CommandLine.Number<int>("--vocab", "tokens of the vocabulary, instead of the declared one");

    public IEnumerable<Option> All => [dim, layers, heads, pattern, vocabulary];

    public void AddTo(Command command)
    {
        foreach (Option option in All) command.Add(option);
    }

    public Sizes Of(ParseResult parsed) => parsed.GetValue(vocabulary) is { } tokens and < TrainingChoices.Bytes
        ? throw new UserError($"--vocab is {tokens}; each of the {TrainingChoices.Bytes} bytes is a token, so give at least that.")
        : new(parsed.GetValue(vocabulary), parsed.GetValue(dim), parsed.GetValue(layers), parsed.GetValue(heads), parsed.GetValue(pattern));
}
