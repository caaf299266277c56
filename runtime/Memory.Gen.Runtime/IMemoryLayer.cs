using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What every class with <c>[MemoryLayer]</c> can do, without its state's type.</summary>
public interface IMemoryLayer
{
    /// <summary>Parameters, state bytes, cost and receptive field.</summary>
    MemoryCard Card { get; }

    /// <summary>Hash of the declaration; a saved state only loads into the same one.</summary>
    string Declaration { get; }

    /// <summary>A state that has read nothing, on the layer's device.</summary>
    /// <param name="batch">Number of rows, 0 or more.</param>
    MemoryState NewState(long batch);

    /// <summary>Reads any number of tokens, 0 included, and advances the state; any split of a text gives the same numbers.</summary>
    /// <param name="features"><c>[B, T, Dim]</c>.</param>
    /// <param name="state">A state of this layer with B rows; left as it was if the call throws.</param>
    /// <returns><c>[B, T, Dim]</c>.</returns>
    Tensor Prefill(Tensor features, MemoryState state);

    /// <summary>Reads one token in every row and advances the state.</summary>
    /// <param name="features"><c>[B, Dim]</c>.</param>
    /// <param name="state">A state of this layer with B rows; left as it was if the call throws.</param>
    /// <returns><c>[B, Dim]</c>.</returns>
    Tensor Step(Tensor features, MemoryState state);

    /// <summary>Loads a state that <see cref="MemoryState.Save"/> wrote, in the element type of the weights, whatever it was saved in.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where the state shall lie; null is the layer's device.</param>
    /// <exception cref="Files.MemoryFileException">It is another layer's, or damaged.</exception>
    MemoryState LoadState(string path, Device? device = null);
}

/// <summary>A layer with the type of its state.</summary>
/// <typeparam name="TState">The state class emitted with the layer.</typeparam>
public interface IMemoryLayer<TState> : IMemoryLayer where TState : MemoryState
{
    /// <inheritdoc cref="IMemoryLayer.NewState"/>
    new TState NewState(long batch);

    /// <inheritdoc cref="IMemoryLayer.Prefill"/>
    Tensor Prefill(Tensor features, TState state);

    /// <inheritdoc cref="IMemoryLayer.Step"/>
    Tensor Step(Tensor features, TState state);

    /// <inheritdoc cref="IMemoryLayer.LoadState"/>
    new TState LoadState(string path, Device? device = null);

    MemoryState IMemoryLayer.NewState(long batch) => NewState(batch);

    Tensor IMemoryLayer.Prefill(Tensor features, MemoryState state) => Prefill(features, state.As<TState>(GetType()));

    Tensor IMemoryLayer.Step(Tensor features, MemoryState state) => Step(features, state.As<TState>(GetType()));

    MemoryState IMemoryLayer.LoadState(string path, Device? device) => LoadState(path, device);
}

internal static class StateCast
{
    public static TState As<TState>(this MemoryState state, Type model) where TState : MemoryState =>
        state as TState ?? throw new ArgumentException(
            $"{model.Name} was given {(state is null ? "no state" : "a state of " + state.Model)}; make one with {model.Name}.NewState.", nameof(state));
}
