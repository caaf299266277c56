using Memory.Gen.Runtime;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;
using MemoryLM;

// dotnet run -c Release -- [STEPS] [FILE OR FOLDER]: without text of your own it trains on the documentation of .NET.
long steps = args.Length > 0 ? long.Parse(args[0]) : 500;
Corpus corpus = Corpus.Load(args.Length > 1 ? args[1] : null);
var tokenizer = new ByteTokenizer();

using var model = new JournalLM();
Console.WriteLine(JournalLM.Card);

using (var trainer = new Trainer(model, corpus, tokenizer, new TrainingOptions { Steps = steps, Validations = 1 }, folder: "checkpoints"))
{
    trainer.Run(progress => Console.Write($"\rstep {progress.Step}, {progress.BitsPerByte:F2} bits a byte, {progress.TokensPerSecond:N0} tokens/s   "));
    Console.WriteLine($"\nheld-out text: {trainer.Validations[^1].BitsPerByte:F2} bits a byte");
}

// Reading on from a state costs the same however long the text was. Saved, it goes on tomorrow.
using JournalLM.State memory = model.NewState(batch: 1);
var prompt = tokenizer.Encode("Returns the ").Select(token => (long)token).ToArray();
var options = new GenerationOptions { MaxTokens = 200, Temperature = 0.7, Seed = 1 };
Console.Write("Returns the ");
foreach (string piece in tokenizer.DecodeStream(model.Generate(prompt, options, memory)))
    Console.Write(piece);
Console.WriteLine();
memory.Save("memory.safetensors");
