using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>Makes text token by token with any emitted model.</summary>
public static class Generation
{
    // Bounds what the layers make of a long prompt; the streaming contract makes the split invisible.
    private const int PromptTokens = 512;

    /// <summary>
    /// Reads the prompt, then makes tokens; each is returned as it is made. A token is read into the state before it is
    /// returned, so the caller may stop at any token and go on later, exactly as if nothing lay between: with a new prompt, or with
    /// an empty one, from what the state kept for the next token.
    /// </summary>
    /// <remarks>
    /// What the next token is drawn from stays with the state, in <see cref="MemoryState.Save"/>'s file and in a <see cref="MemoryState.Clone"/>, until Prefill or
    /// Step is called with it or it is reset; of a state that these advanced an empty prompt is refused, since the caller has their
    /// logits. Draws begin anew with <see cref="GenerationOptions.Seed"/> at every call, so only at temperature 0 are two calls the text
    /// of one. A stop token that ended a text is not read: it is what an empty prompt meets first. While one enumeration goes on, the state is its own:
    /// two texts by turns need two states, of which one may be the other's <see cref="MemoryState.Clone"/>.
    /// </remarks>
    /// <param name="model">The model.</param>
    /// <param name="prompt">The tokens to read first; may be empty where the last call with this state was Generate.</param>
    /// <param name="options">How tokens are chosen.</param>
    /// <param name="state">A state of one row to continue and to advance; null begins a text and keeps nothing.</param>
    /// <param name="cancellationToken">Ends with <see cref="OperationCanceledException"/> between two tokens.</param>
    /// <returns>The tokens; each enumeration makes a text of its own.</returns>
    /// <exception cref="ArgumentException">There is nothing to begin from, the state has more than one row, or an option is out of range; or, once the prompt is read, a token has no
    /// place in the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">Something else has read with the state, or reset it, since the enumeration's last token, or since
    /// Generate was called with an empty prompt. The state stays as that left it.</exception>
    public static IEnumerable<long> Generate(
        this IMemoryModel model, IReadOnlyList<long> prompt, GenerationOptions options, MemoryState? state = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        if (prompt.Count == 0 && state?.NextLogits is null)
            throw new ArgumentException("The prompt is empty; give at least one token to begin from, or a state that Generate was the last to read with.", nameof(prompt));
        if (state is { Batch: not 1 })
            throw new ArgumentException($"The state has {state.Batch} rows; generation continues a state of 1 row.", nameof(state));
        return Stream(model, prompt, options, state, cancellationToken);
    }

    private static IEnumerable<long> Stream(
        IMemoryModel model, IReadOnlyList<long> prompt, GenerationOptions options, MemoryState? given, CancellationToken cancellationToken)
    {
        MemoryState state = given ?? model.NewState(1);
        try
        {
            var sampler = new Sampler(options);
            double[] logits = state.NextLogits ?? [];
            if (prompt.Count + logits.Length == 0) throw Changed(state);
            for (int start = 0, length; start < prompt.Count; start += length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                length = (int)Math.Min(prompt.Count - start, PieceOf(model, state));
                state.NextLogits = logits = Read(model, [.. prompt.Skip(start).Take(length)], state, logits);
            }
            for (int made = 0; made < options.MaxTokens; made++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                long token = sampler.Choose(logits);
                if (options.StopTokens.Contains(token))
                    yield break;
                state.NextLogits = logits = Read(model, token, state, logits);
                long changes = state.Changes;
                yield return token;
                if (state.Changes != changes) throw Changed(state);
            }
        }
        finally
        {
            if (given == null)
                state.Dispose();
        }
    }

    private static InvalidOperationException Changed(MemoryState state) => new(
        $"Another call has read with this state of {state.Model}, or reset it, while a text was generated with it, which cannot go on from there. Give every text a state of its own (NewState, or Clone of one), or call Generate again to go on from where the state is now.");

    // A model that looks ahead sees no further than a call goes, so there a piece ends where a segment does.
    private static long PieceOf(IMemoryModel model, MemoryState state) => model is ISegmentedModel { LooksAhead: true, NewTokens: var segment }
        ? (segment * Math.Max(1, PromptTokens / segment)) - (state.RowPositions[0] % segment)
        : PromptTokens;

    private static double[] Read(IMemoryModel model, long[] tokens, MemoryState state, double[] room)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return Sampler.ToHost(model.Read(tensor(tokens, device: state.Device).view(1, -1), state), room);
    }

    private static double[] Read(IMemoryModel model, long token, MemoryState state, double[] room)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return Sampler.ToHost(model.Step(tensor(new[] { token }, device: state.Device), state), room);
    }
}
