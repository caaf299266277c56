using Memory.Gen.Runtime;
using Memory.Gen.Training.Tokenizers;

namespace LanguageModel.Models;

/// <summary>What a model makes of the beginning of a text.</summary>
internal static class Continuation
{
    /// <summary>Writes the prompt and its continuation as it is made, until it is asked to stop or nobody reads any more; the state is of all that was written.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="begin">Text that is read before the prompt and not written.</param>
    /// <param name="prompt">The prompt.</param>
    /// <param name="options">How tokens are chosen.</param>
    /// <param name="state">What was read before.</param>
    /// <param name="cancellation">Asks it to stop.</param>
    /// <returns>Whether a stop token ended the text.</returns>
    public static bool Write(IMemoryModel model, ITokenizer tokenizer, string begin, string prompt, GenerationOptions options, MemoryState state, CancellationToken cancellation)
    {
        var made = model.Generate([.. tokenizer.Encode(begin + prompt).Select(t => (long)t)], options, state, cancellation);
        int left = options.MaxTokens;
        bool stopped = false;
        Console.Write(prompt);
        try
        {
            foreach (string piece in tokenizer.DecodeStream(made.Select(token => (token, left--).token)))
            {
                Terminal.Write(piece);
                if (stopped = StandardStreams.NobodyReads) break;
            }
        }
        catch (OperationCanceledException)
        {
            // What was read and written so far is in the state.
            stopped = true;
        }

        Console.WriteLine();
        return left > 0 && !stopped;
    }
}
