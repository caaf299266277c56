using System.Text;

namespace Memory.Gen.Training.Tokenizers;

/// <summary>Text to tokens and back, losing nothing: every token is a fixed sequence of bytes, and a text is its tokens' bytes in order.</summary>
public interface ITokenizer
{
    /// <summary>Number of tokens; they are 0 to <c>VocabSize - 1</c>.</summary>
    int VocabSize { get; }

    /// <summary>The tokens of a text.</summary>
    /// <param name="text">Any text; it is read as UTF-8, so half a surrogate pair becomes U+FFFD.</param>
    int[] Encode(ReadOnlySpan<char> text);

    /// <summary>The bytes that a token stands for.</summary>
    /// <param name="token">A token, 0 to <c>VocabSize - 1</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    ReadOnlyMemory<byte> Bytes(long token);

    /// <summary>Writes <c>vocab.json</c> and <c>merges.txt</c>.</summary>
    /// <param name="folder">A folder; it is created where it does not exist.</param>
    void Save(string folder);
}

/// <summary>What follows from the bytes of tokens.</summary>
public static class TokenizerExtensions
{
    /// <summary>Number of bytes that a token stands for.</summary>
    /// <param name="tokenizer">Says which bytes a token stands for.</param>
    /// <param name="token">A token, 0 to <c>VocabSize - 1</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public static int ByteLength(this ITokenizer tokenizer, long token) => tokenizer.Bytes(token).Length;

    /// <summary>The text of a sequence of tokens; bytes that are not UTF-8 become U+FFFD.</summary>
    /// <param name="tokenizer">Says which bytes a token stands for.</param>
    /// <param name="tokens">Tokens, each 0 to <c>VocabSize - 1</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public static string Decode(this ITokenizer tokenizer, IEnumerable<long> tokens) => string.Concat(tokenizer.DecodeStream(tokens));

    /// <summary>The text of a sequence of tokens; bytes that are not UTF-8 become U+FFFD.</summary>
    /// <param name="tokenizer">Says which bytes a token stands for.</param>
    /// <param name="tokens">Tokens, each 0 to <c>VocabSize - 1</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public static string Decode(this ITokenizer tokenizer, IEnumerable<int> tokens) => tokenizer.Decode(tokens.Select(t => (long)t));

    /// <summary>The text of tokens as they come: a piece for each, empty while a character's bytes are incomplete.</summary>
    /// <param name="tokenizer">Says which bytes a token stands for.</param>
    /// <param name="tokens">Tokens, each 0 to <c>VocabSize - 1</c>; they are read one by one.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public static IEnumerable<string> DecodeStream(this ITokenizer tokenizer, IEnumerable<long> tokens)
    {
        var decoder = Encoding.UTF8.GetDecoder();
        foreach (long token in tokens) yield return Next(tokenizer.Bytes(token).Span, flush: false);
        if (Next([], flush: true) is { Length: > 0 } rest) yield return rest;

        string Next(ReadOnlySpan<byte> bytes, bool flush)
        {
            var characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 4)];
            return new string(characters, 0, decoder.GetChars(bytes, characters, flush));
        }
    }
}
