using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What every class with <c>[MemoryModel]</c> can do, without its state's type: for trainers and samplers.</summary>
public interface IMemoryModel
{
    /// <summary>Parameters, state bytes, cost and receptive field.</summary>
    MemoryCard Card { get; }

    /// <summary>Hash of the declaration; a saved state only loads into the same one.</summary>
    string Declaration { get; }

    /// <summary>A state that has read nothing, on the model's device.</summary>
    /// <param name="batch">Number of rows, 0 or more.</param>
    MemoryState NewState(long batch);

    /// <summary>Reads any number of tokens, 0 included, and advances the state; any split of a text gives the same numbers.</summary>
    /// <param name="tokens"><c>[B, T]</c> int64.</param>
    /// <param name="state">A state of this model with B rows; left as it was if the call throws.</param>
    /// <returns>Logits <c>[B, T, VocabSize]</c>.</returns>
    Tensor Prefill(Tensor tokens, MemoryState state);

    /// <summary>
    /// Reads tokens and advances the state as <see cref="Prefill"/> does, for what comes next alone: of a long prompt and a large vocabulary
    /// the logits of all tokens are most of the work and of the memory.
    /// </summary>
    /// <param name="tokens"><c>[B, T]</c> int64, T at least 1.</param>
    /// <param name="state">A state of this model with B rows; left as it was if the call throws.</param>
    /// <returns>Logits <c>[B, VocabSize]</c>, those that <see cref="Prefill"/> gives for every row's last token.</returns>
    /// <exception cref="ArgumentException">There is no token, or the tokens are no such tensor.</exception>
    Tensor Read(Tensor tokens, MemoryState state);

    /// <summary>Reads one token in every row and advances the state.</summary>
    /// <param name="token"><c>[B]</c> int64.</param>
    /// <param name="state">A state of this model with B rows; left as it was if the call throws.</param>
    /// <returns>Logits <c>[B, VocabSize]</c>.</returns>
    Tensor Step(Tensor token, MemoryState state);

    /// <summary>Loads a state that <see cref="MemoryState.Save"/> wrote, in the element type of the weights, whatever it was saved in.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where the state shall lie; null is the model's device.</param>
    /// <exception cref="Files.MemoryFileException">It is another model's, or damaged.</exception>
    MemoryState LoadState(string path, Device? device = null);
}

/// <summary>A model with the type of its state.</summary>
/// <typeparam name="TState">The state class emitted with the model.</typeparam>
public interface IMemoryModel<TState> : IMemoryModel where TState : MemoryState
{
    /// <inheritdoc cref="IMemoryModel.NewState"/>
    new TState NewState(long batch);

    /// <inheritdoc cref="IMemoryModel.Prefill"/>
    Tensor Prefill(Tensor tokens, TState state);

    /// <inheritdoc cref="IMemoryModel.Read"/>
    Tensor Read(Tensor tokens, TState state);

    /// <inheritdoc cref="IMemoryModel.Step"/>
    Tensor Step(Tensor token, TState state);

    /// <inheritdoc cref="IMemoryModel.LoadState"/>
    new TState LoadState(string path, Device? device = null);

    MemoryState IMemoryModel.NewState(long batch) => NewState(batch);

    Tensor IMemoryModel.Prefill(Tensor tokens, MemoryState state) => Prefill(tokens, state.As<TState>(GetType()));

    Tensor IMemoryModel.Read(Tensor tokens, MemoryState state) => Read(tokens, state.As<TState>(GetType()));

    Tensor IMemoryModel.Step(Tensor token, MemoryState state) => Step(token, state.As<TState>(GetType()));

    MemoryState IMemoryModel.LoadState(string path, Device? device) => LoadState(path, device);
}
