#if TOKENIZERS_PACKAGE
using Package = Microsoft.ML.Tokenizers;

namespace Memory.Gen.Training.Tokenizers;

/// <summary>A saved byte-pair vocabulary, encoded by Microsoft.ML.Tokenizers.</summary>
internal sealed class PackageTokenizer(string vocab, string merges, BytePairTokenizer vocabulary) : ITokenizer
{
    private readonly Package.BpeTokenizer encoder = Package.BpeTokenizer.Create(new Package.BpeOptions(vocab, merges)
    {
        ByteLevel = true,
        PreTokenizer = new Package.RegexPreTokenizer(BytePairTokenizer.Words, null),
    });

    /// <inheritdoc/>
    public int VocabSize => vocabulary.VocabSize;

    /// <inheritdoc/>
    public int[] Encode(ReadOnlySpan<char> text) => [.. encoder.EncodeToIds(text)];

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Bytes(long token) => vocabulary.Bytes(token);

    /// <inheritdoc/>
    public void Save(string folder) => vocabulary.Save(folder);
}
#endif
