using System.CommandLine;
using LanguageModel.Commands;

return CommandLine.Run(
    new RootCommand("Trains language models that are declared with attributes, and talks to them.")
    {
        TrainCommand.Create(),
        GenerateCommand.Create(),
        TalkCommand.Create(),
        EvaluateCommand.Create(),
        InterleaveCommand.Create(),
        ContextCommand.Create(),
        InfoCommand.Create(),
    },
    args);
