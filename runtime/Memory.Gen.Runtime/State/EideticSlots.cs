using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// The older tokens that a B'MOJO layer keeps exactly: their keys and values, the scores they were kept for, their places in the
/// text, and the scores of tokens that have not been judged yet.
/// </summary>
/// <remarks>
/// Slots are chosen before the first token of a chunk is read, and stay until the chunk is over: from what the slots hold and
/// what has left the window since. A row may stand anywhere in its chunk, and rows at different places. Keys are kept as the
/// window's are, turned to their own positions.
/// </remarks>
public sealed class EideticSlots
{
    private readonly LayerState layer;
    private readonly EideticOptions options;
    private readonly StateTensor keys, values, scores, places, waiting;

    /// <summary>Adds its tensors to a layer's state.</summary>
    /// <param name="layer">The layer's part of a state; call this in its constructor.</param>
    /// <param name="name">Goes before the names of the tensors, with an underscore.</param>
    /// <param name="heads">G, heads of a key.</param>
    /// <param name="features">K, features of a head.</param>
    /// <param name="options">M slots, and how tokens are chosen for them.</param>
    public EideticSlots(LayerState layer, string name, long heads, long features, EideticOptions options)
    {
        this.layer = layer;
        this.options = options;
        keys = layer.Cache($"{name}_keys", options.Slots, heads, features);
        values = layer.Cache($"{name}_values", options.Slots, heads, features);
        scores = layer.Memory($"{name}_scores", options.Slots);
        places = layer.Counts($"{name}_places", options.Slots);
        waiting = layer.Memory($"{name}_waiting", options.Waiting);
    }

    /// <summary>Where the rows stand in their chunks.</summary>
    public QueryChunks Chunks => new(options.Refresh, layer.Positions.remainder(options.Refresh), Blocked: options.Window is null);

    /// <summary>Judges tokens and gives every chunk of the call its slots. For use inside a call that advances the state.</summary>
    /// <param name="e">Scores of the call's tokens, <c>[B, T]</c>.</param>
    /// <param name="k">Their keys, <c>[B, T, G, K]</c>.</param>
    /// <param name="v">Their values, <c>[B, T, G, K]</c>.</param>
    /// <param name="pastKeys">Keys of the tokens before that may still be stored, <c>[B, W, G, K]</c>, oldest first.</param>
    /// <param name="pastValues">Their values, <c>[B, W, G, K]</c>.</param>
    /// <param name="rotaryBase">Base of the keys' rotary positions, where slots shall stand just before the window; null where they stay.</param>
    /// <returns>Keys and values <c>[B, C, M, G, K]</c> for the C chunks that the call's tokens are in.</returns>
    public ChunkKeys Choose(Tensor e, Tensor k, Tensor v, Tensor pastKeys, Tensor pastValues, double? rotaryBase = null)
    {
        using var scope = NewDisposeScope();
        long B = k.shape[0], rows = options.Slots + options.Waiting + k.shape[1];
        EideticChoice choice = EideticSelection.Choose(e, options, new EideticState(scores.Value, places.Value - 1, waiting.Value), layer.Positions);
        Tensor from = (choice.Places + (Numbers(B, k) * rows).view(B, 1, 1)).flatten();
        Tensor chosenKeys = Chosen(keys, pastKeys, k), chosenValues = Chosen(values, pastValues, v);
        if (chosenKeys.shape[1] > 0)
        {
            // Rows that stand later in their chunks may end in more of them.
            Tensor last = Numbers(B, k) * chosenKeys.shape[1] + (layer.Positions.remainder(options.Refresh) + (k.shape[1] - 1)).div(options.Refresh, RoundingMode.floor);
            // An empty slot holds zeros: what it was filled with depends on where the call began.
            Tensor empty = choice.State.Positions.lt(0).view(B, options.Slots, 1, 1);
            keys.Update(chosenKeys.flatten(0, 1).index_select(0, last).masked_fill(empty, 0));
            values.Update(chosenValues.flatten(0, 1).index_select(0, last).masked_fill(empty, 0));
            scores.Update(choice.State.Scores);
            places.Update(choice.State.Positions + 1);
            waiting.Update(choice.State.Waiting);
        }

        Tensor seen = rotaryBase is { } theta
            ? Rotary.Apply(chosenKeys.flatten(1, 2), Shifts(choice.Positions).flatten(1, 2), theta).view(chosenKeys.shape)
            : chosenKeys;
        return new ChunkKeys(seen.MoveToOuterDisposeScope(), chosenValues.MoveToOuterDisposeScope(), choice.Present.MoveToOuterDisposeScope());

        Tensor Chosen(StateTensor held, Tensor past, Tensor next) =>
            cat(new[] { held.Value, past, next }, 1).flatten(0, 1).index_select(0, from).view([.. choice.Places.shape, .. next.shape[2..]]);
    }

    private static Tensor Numbers(long count, Tensor like) => arange(count, dtype: ScalarType.Int64, device: like.device);

    /// <summary>How far a slot's key turns on: from where its token stood to its rank just before the window, <c>[B, C, M]</c>.</summary>
    private Tensor Shifts(Tensor places)
    {
        long R = options.Refresh;
        Tensor chunk = (layer.Positions.div(R, RoundingMode.floor).unsqueeze(1) + Numbers(places.shape[1], places)).unsqueeze(2);
        Tensor begin = options.Window is { } window ? (chunk * R) - window + 1 : (chunk - 1) * R;
        return begin - options.Slots + Numbers(options.Slots, places) - places;
    }
}
