using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Chunks of R queries, counted in each row from where its text began: query t is in chunk floor(t / R).</summary>
/// <remarks>A row that goes on stands somewhere in its chunk; the rows of a call need not stand at the same place.</remarks>
/// <param name="Length">R, at least 1.</param>
/// <param name="Read">Tokens of its chunk that each row has read before the call, 0 to R - 1, int64 <c>[B]</c>; null where every row begins a chunk.</param>
/// <param name="Blocked">
/// Whether the window of a query is its chunk up to itself and the chunk before, <c>[(c - 1) R, t]</c>, and not a number of
/// tokens. A past of 2 R - 1 tokens then holds all that a query sees.
/// </param>
public sealed record QueryChunks(long Length, Tensor? Read = null, bool Blocked = false);

/// <summary>Keys of which all queries of a chunk see the same: slots that were chosen when the chunk began.</summary>
/// <param name="Keys"><c>[B, C, M, G, K]</c> for the C chunks that the call's queries are in, the one that its first query is in first; more chunks than that are not read.</param>
/// <param name="Values"><c>[B, C, M, G, V]</c>.</param>
/// <param name="Present">Which slots hold a key, bool <c>[B, C, M]</c>; the others are not seen.</param>
public sealed record ChunkKeys(Tensor Keys, Tensor Values, Tensor Present);

/// <summary>A second stream of keys, one a token, of which a query sees those just before its window: what a state made of the text up to there.</summary>
/// <remarks>
/// The query sees tokens b, b - Stride, .., b - (Count - 1) Stride that there are, with b the last token before its window. A
/// sliding window w and <c>Count = w</c> are the fading tokens of Hybrid Model Factory, t - 2w &lt; s &lt;= t - w.
/// </remarks>
/// <param name="Keys"><c>[B, T, G, K]</c>.</param>
/// <param name="Values"><c>[B, T, G, V]</c>.</param>
/// <param name="Count">Tokens seen, at least 1.</param>
/// <param name="Stride">Tokens from one to the next, at least 1.</param>
/// <param name="Offset">How many tokens before the query the last one is, at least 0; null for the last before the window.</param>
/// <param name="PastKeys">Keys of the tokens before the first, oldest first, <c>[B, F, G, K]</c>; null for none.</param>
/// <param name="PastValues">Values of the same tokens, <c>[B, F, G, V]</c>.</param>
public sealed record FadingKeys(
    Tensor Keys, Tensor Values, long Count, long Stride = 1, long? Offset = null, Tensor? PastKeys = null, Tensor? PastValues = null);
