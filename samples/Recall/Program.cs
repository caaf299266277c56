using Recall;

return CommandLine.Run(RecallCommand.Create(), args);
