using Memory.Gen.Runtime;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;
using MemoryLM;

// dotnet run -c Release -- [STEPS] [FILE OR FOLDER]: without text of your own it trains on the documentation of .NET. Run again, it
// goes on: with the training where steps are left, and with what it wrote. To begin anew, remove the folder "checkpoints".
long steps = 500;
if (args.Length > 0 && !(long.TryParse(args[0], out steps) && steps > 0))
{
    Console.Error.WriteLine($"'{args[0]}' is no number of steps. Usage: dotnet run -c Release -- [STEPS] [FILE OR FOLDER]");
    return 2;
}

// Ctrl-C stops after the step, or the token, that is being made; what is done is saved.
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};

try
{
    using var model = new JournalLM();
    Console.WriteLine(JournalLM.Card);
    long step = Train(model, Corpus.Load(args.Length > 1 ? args[1] : null));
    if (!stop.IsCancellationRequested)
        Write(model, $"checkpoints/memory-{step}.safetensors");
    return 0;
}
catch (Exception error) when (error is TrainingException or IOException or InvalidDataException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(error.Message); // a sentence that says what was found and what to do
    return 1;
}

long Train(JournalLM model, Corpus corpus)
{
    var options = new TrainingOptions { Steps = steps, Validations = 1 };
    var checkpoints = new Checkpoints("checkpoints");
    using var trainer = checkpoints.Paths.Count == 0
        ? new Trainer(model, corpus, new ByteTokenizer(), options, checkpoints.Folder)
        : Trainer.Resume(model, corpus, checkpoints.LoadLatest(), checkpoints.Folder, options);
    trainer.Run(progress => Console.Write($"\rstep {progress.Step}, {progress.BitsPerByte:F2} bits a byte, {progress.TokensPerSecond:N0} tokens/s   "), stop.Token);
    Console.WriteLine($"\n{trainer.Step} of {steps} steps done");
    foreach (LossPoint validation in trainer.Validations)
        Console.WriteLine($"held-out text after step {validation.Step}: {validation.BitsPerByte:F2} bits a byte");
    return trainer.Step;
}

// Reading on from a state costs the same however long the text was. Saved, it goes on tomorrow, with the weights that made it: the
// name of its file has their step.
void Write(JournalLM model, string file)
{
    using JournalLM.State memory = File.Exists(file) ? JournalLM.State.Load(file) : model.NewState(batch: 1);
    var tokenizer = new ByteTokenizer();
    var prompt = tokenizer.Encode("Returns the ").Select(token => (long)token).ToArray();
    var options = new GenerationOptions { MaxTokens = 200, Temperature = 0.7, Seed = 1 };
    Console.Write("Returns the ");
    try
    {
        foreach (string piece in tokenizer.DecodeStream(model.Generate(prompt, options, memory, stop.Token)))
            Console.Write(piece);
    }
    catch (OperationCanceledException)
    {
        // What was written so far is remembered.
    }
    Console.WriteLine();
    memory.Save(file);
}
