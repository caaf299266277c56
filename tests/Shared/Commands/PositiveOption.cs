using System.CommandLine;

namespace Memory.Gen.Tests.Shared;

/// <summary>An option whose number counts something.</summary>
internal static class PositiveOption
{
    /// <summary>Refuses a whole number below 1 as wrong usage; what is no number is refused by its type.</summary>
    public static TOption AtLeastOne<TOption>(this TOption option)
        where TOption : Option
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && int.TryParse(token.Value, out int value) && value < 1) result.AddError($"{option.Name} is {value}; expected at least 1.");
        });
        return option;
    }
}
