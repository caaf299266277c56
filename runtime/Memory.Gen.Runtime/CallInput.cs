using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>The one place where what a model or a layer is called with is checked, before anything is read.</summary>
/// <remarks>
/// Token ids are compared with the vocabulary on the CPU. To look at them on another device is to wait for it, so there it is left to
/// torch to fail at an id that has no row.
/// </remarks>
public static class CallInput
{
    /// <summary>A weight of a model or layer that was not disposed.</summary>
    /// <param name="model">Name of the model or layer.</param>
    /// <param name="weight">The weight.</param>
    /// <returns>The weight.</returns>
    /// <exception cref="ObjectDisposedException">The weight was disposed.</exception>
    public static Tensor Alive(string model, Tensor weight) =>
        weight.IsInvalid ? throw new ObjectDisposedException(model, $"{model} was disposed, and its weights with it.") : weight;

    /// <summary>Checks the tokens of a call without a state.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="tokens"><c>[B, T]</c> int64, from 0 to vocabSize - 1.</param>
    /// <param name="vocabSize">Number of symbols.</param>
    /// <param name="weight">A weight of the model: device and element type.</param>
    /// <returns>The tokens.</returns>
    /// <exception cref="ArgumentException">They are something else; the message says what.</exception>
    /// <exception cref="NotSupportedException">The weight is Float16 on the CPU, and this libtorch does not compute in it.</exception>
    /// <exception cref="ObjectDisposedException">The weight was disposed.</exception>
    public static Tensor Tokens(string model, Tensor tokens, long vocabSize, Tensor weight)
    {
        CheckTokens(model, tokens, vocabSize, weight);
        return tokens;
    }

    /// <summary>Checks the tokens and the state of a call that reads on, and opens its transaction.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="tokens"><c>[B, T]</c> int64, from 0 to vocabSize - 1.</param>
    /// <param name="vocabSize">Number of symbols.</param>
    /// <param name="weight">A weight of the model: device and element type.</param>
    /// <param name="state">A state with B rows, of the weight's device and element type.</param>
    /// <param name="least">The fewest tokens of a row: 1 where the last one's logits are asked for.</param>
    /// <returns>The transaction.</returns>
    /// <exception cref="ArgumentException">One of them is something else; the message says what.</exception>
    /// <exception cref="InvalidOperationException">Another call is using the state.</exception>
    /// <exception cref="NotSupportedException">The weight is Float16 on the CPU, and this libtorch does not compute in it.</exception>
    /// <exception cref="ObjectDisposedException">The weight or the state was disposed.</exception>
    public static StateTransaction Tokens(string model, Tensor tokens, long vocabSize, Tensor weight, MemoryState state, long least = 0)
    {
        long[] shape = CheckTokens(model, tokens, vocabSize, weight);
        if (shape[1] < least)
            throw new ArgumentException($"{model}: tokens is [{string.Join(", ", shape)}], and the last of none has no logits; read at least one token, or call Prefill, which takes any number.", nameof(tokens));
        return Begin(model, shape, weight, state);
    }

    /// <summary>Checks the shape of one token for every row; the call that reads it checks the rest.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="token"><c>[B]</c> int64.</param>
    /// <returns>It as <c>[B, 1]</c>.</returns>
    /// <exception cref="ArgumentException">It is something else; the message says what.</exception>
    public static Tensor Token(string model, Tensor token)
    {
        RequireAlive(model, nameof(token), token);
        if (token.dtype != ScalarType.Int64 || token.dim() != 1) throw WrongTokens(model, nameof(token), token, "[B]");
        return token.unsqueeze(1);
    }

    /// <summary>Checks the features of a call without a state.</summary>
    /// <param name="layer">Name of the layer.</param>
    /// <param name="x"><c>[B, T, dim]</c>, of the weight's device and element type.</param>
    /// <param name="dim">The layer's width.</param>
    /// <param name="weight">A weight of the layer.</param>
    /// <returns>The features.</returns>
    /// <exception cref="ArgumentException">They are something else; the message says what.</exception>
    /// <exception cref="NotSupportedException">The weight is Float16 on the CPU, and this libtorch does not compute in it.</exception>
    /// <exception cref="ObjectDisposedException">The weight was disposed.</exception>
    public static Tensor Features(string layer, Tensor x, long dim, Tensor weight)
    {
        CheckFeatures(layer, x, dim, weight);
        return x;
    }

    /// <summary>Checks the features and the state of a call that reads on, and opens its transaction.</summary>
    /// <param name="layer">Name of the layer.</param>
    /// <param name="x"><c>[B, T, dim]</c>, of the weight's device and element type.</param>
    /// <param name="dim">The layer's width.</param>
    /// <param name="weight">A weight of the layer.</param>
    /// <param name="state">A state with B rows, of the weight's device and element type.</param>
    /// <returns>The transaction.</returns>
    /// <exception cref="ArgumentException">One of them is something else; the message says what.</exception>
    /// <exception cref="InvalidOperationException">Another call is using the state.</exception>
    /// <exception cref="NotSupportedException">The weight is Float16 on the CPU, and this libtorch does not compute in it.</exception>
    /// <exception cref="ObjectDisposedException">The weight or the state was disposed.</exception>
    public static StateTransaction Features(string layer, Tensor x, long dim, Tensor weight, MemoryState state) =>
        Begin(layer, CheckFeatures(layer, x, dim, weight), weight, state);

    /// <summary>Checks the shape of one token's features for every row; the call that reads them checks the rest.</summary>
    /// <param name="layer">Name of the layer.</param>
    /// <param name="x"><c>[B, dim]</c>.</param>
    /// <param name="dim">The layer's width.</param>
    /// <returns>They as <c>[B, 1, dim]</c>.</returns>
    /// <exception cref="ArgumentException">They are something else; the message says what.</exception>
    public static Tensor Feature(string layer, Tensor x, long dim)
    {
        RequireAlive(layer, nameof(x), x);
        if (x.shape is not [_, var width] || width != dim) throw WrongShape(layer, x, $"[B, {dim}]");
        return x.unsqueeze(1);
    }

    private static void Computable(string model, Tensor weight) => HalfOnCpu.Refuse(model, "its weights are", Alive(model, weight));

    private static long[] CheckTokens(string model, Tensor tokens, long vocabSize, Tensor weight)
    {
        RequireAlive(model, nameof(tokens), tokens);
        Computable(model, weight);
        long[] shape = tokens.Sizes();
        if (tokens.dtype != ScalarType.Int64 || shape.Length != 2) throw WrongTokens(model, nameof(tokens), tokens, "[B, T]");
        RequireDevice(model, nameof(tokens), tokens, weight);
        if (tokens.device_type == DeviceType.CPU) CheckIds(model, tokens, shape[0], shape[1], vocabSize);
        return shape;
    }

    private static unsafe void CheckIds(string model, Tensor tokens, long rows, long length, long vocabSize)
    {
        if (rows * length == 0) return;
        var ids = (long*)KernelLibrary.Data(tokens);
        long rowStride = rows == 1 ? 0 : tokens.stride(0), stride = length == 1 ? 0 : tokens.stride(1);
        for (long row = 0; row < rows; row++, ids += rowStride)
            for (long token = 0; token < length; token++)
                if ((ulong)ids[token * stride] >= (ulong)vocabSize)
                    throw new ArgumentException($"{model}: tokens has {ids[token * stride]} at [{row}, {token}]; expected ids from 0 to {vocabSize - 1}.", nameof(tokens));
        GC.KeepAlive(tokens);
    }

    private static long[] CheckFeatures(string layer, Tensor x, long dim, Tensor weight)
    {
        RequireAlive(layer, nameof(x), x);
        Computable(layer, weight);
        long[] shape = x.Sizes();
        if (shape is not [_, _, var width] || width != dim) throw WrongShape(layer, x, $"[B, T, {dim}]");
        if (x.dtype != weight.dtype) throw new ArgumentException($"{layer}: x is {x.dtype}; expected {weight.dtype}, as the weights are.", nameof(x));
        RequireDevice(layer, nameof(x), x, weight);
        return shape;
    }

    private static StateTransaction Begin(string model, long[] shape, Tensor weight, MemoryState state)
    {
        if (state is null) throw new ArgumentNullException(nameof(state), $"{model}: state is null; make one with NewState.");
        if (state.Dtype != weight.dtype)
            throw new ArgumentException($"{model}: the state is {state.Dtype}, the weights are {weight.dtype}; make a new one with NewState, or load a saved one with LoadState.", nameof(state));
        if (!state.Device.Is(weight.device_type, weight.device_index))
            throw new ArgumentException($"{model}: the state is on {state.Device}, the weights are on {weight.device}; make a new one with NewState.", nameof(state));
        return state.Begin(shape[0], shape[1]);
    }

    private static void RequireAlive(string model, string argument, Tensor tensor)
    {
        if (tensor is null) throw new ArgumentNullException(argument, $"{model}: {argument} is null.");
        if (tensor.IsInvalid) throw new ArgumentException($"{model}: {argument} was disposed.", argument);
    }

    private static void RequireDevice(string model, string argument, Tensor tensor, Tensor weight)
    {
        if (tensor.device_type != weight.device_type || tensor.device_index != weight.device_index)
            throw new ArgumentException($"{model}: {argument} is on {tensor.device}; expected {weight.device}, where the weights are.", argument);
    }

    private static ArgumentException WrongTokens(string model, string argument, Tensor found, string shape) =>
        new($"{model}: {argument} is {found.dtype} [{string.Join(", ", found.shape)}]; expected Int64 {shape}.", argument);

    private static ArgumentException WrongShape(string layer, Tensor x, string shape) =>
        new($"{layer}: x is [{string.Join(", ", x.shape)}]; expected {shape}.", nameof(x));
}
