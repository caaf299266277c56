using Memory.Gen.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Tests.Models;

/// <summary>One model or layer in float64 and what its numbers promise.</summary>
internal sealed class SmallModel : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> module;
    private readonly string declaration;
    private readonly Random random;
    private readonly Generator noise = new(5, CPU);

    /// <param name="module">The model.</param>
    /// <param name="declaration">Its text, for messages.</param>
    /// <param name="random">Where a text is cut.</param>
    public SmallModel(nn.Module<Tensor, Tensor> module, string declaration, Random random)
    {
        (this.module, this.declaration, this.random) = (module, declaration, random);
        using var quiet = no_grad();
        // Fresh models are nearly linear; larger weights make every term of every equation count.
        foreach (var (key, parameter) in module.named_parameters())
            parameter.copy_((Normal(parameter.shape) * 0.4) + (key.EndsWith("norm.weight", StringComparison.Ordinal) ? 1.0 : 0.0));
    }

    private MemoryCard Card => module is IMemoryModel model ? model.Card : ((IMemoryLayer)module).Card;

    public void Dispose() => noise.Dispose();

    /// <summary>Checks them.</summary>
    /// <returns>False where the model is so chaotic that rounding decides.</returns>
    public bool Check(long rows, long tokens)
    {
        using var scope = NewDisposeScope();
        Tensor input = Input(rows, tokens);
        double limit = Math.Max(1e-10, 200 * ChangeByRounding(input));
        if (!(limit < 1e-6))
            return false;
        Tensor parallel = module.call(input);
        Parameter[] parameters = [.. module.parameters()];
        Tensor weights = Normal(parallel.shape);
        Tensor?[] gradients = Gradients(parallel, weights, parameters);
        Assert.Equal(Card.Parameters, parameters.Sum(parameter => parameter.numel()));

        using MemoryState whole = NewState(rows), cut = NewState(rows), steps = NewState(rows);
        Near(parallel, Prefill(input, whole), limit, "outputs, whole");
        Assert.Equal(rows * Card.StateBytes(tokens, ScalarType.Float64), whole.Bytes);
        long[] pieces = Split(tokens);
        Tensor inPieces = Read(input, cut, pieces);
        string what = $"cut {string.Join(' ', pieces)}";
        Near(parallel, inPieces, limit, "outputs, " + what);
        Near(whole, cut, limit, what);
        Tensor?[] throughPieces = Gradients(inPieces, weights, parameters);
        for (int i = 0; i < parameters.Length; i++)
            Near(gradients[i] ?? zeros_like(parameters[i]), throughPieces[i] ?? zeros_like(parameters[i]), 100 * limit, $"gradient {i}, {what}");

        using var quiet = no_grad();
        Near(parallel, Read(input, steps, [.. Enumerable.Repeat(1L, (int)tokens)]), limit, "outputs, token by token");
        Near(whole, steps, limit, "token by token");
        Near(parallel.narrow(0, 1, 1), module.call(input.narrow(0, 1, 1)), limit, "outputs, a row alone");
        CheckFile(input, parallel, limit);
        return true;
    }

    /// <summary>The names of the parameters that no step of training moves, neither by its own loss nor by those that the layers ask for.</summary>
    public string[] Untrained(long rows, long tokens)
    {
        using var scope = NewDisposeScope();
        (string name, Parameter parameter)[] parameters = [.. module.named_parameters()];
        Tensor input = Input(rows, tokens);
        // One by one, for each is judged by the largest gradient beside it, and that of the task may be far larger than the others.
        HashSet<string> moved = [.. Moved((output, _) => (output * Normal(output.shape)).sum()), .. Moved((_, state) => state.AuxiliaryLoss)];
        return [.. parameters.Select(p => p.name).Where(name => !moved.Contains(name))];

        IEnumerable<string> Moved(Func<Tensor, MemoryState, Tensor?> lossOf)
        {
            using MemoryState state = NewState(rows);
            if (lossOf(Prefill(input, state), state) is not { } loss)
                return [];
            Tensor?[] gradients = Gradients(loss, ones_like(loss), [.. parameters.Select(p => p.parameter)]);
            double[] most = [.. gradients.Select(grad => grad?.abs().max().item<double>() ?? 0)];
            // What rounding leaves of a zero is no gradient.
            double least = 1e-13 * most.Max();
            return [.. parameters.Where((_, i) => most[i] > least).Select(p => p.name)];
        }
    }

    // A state that has read and forgotten reads half of the text, goes to a file and back, and both read on.
    private void CheckFile(Tensor input, Tensor parallel, double limit)
    {
        long rows = input.shape[0], tokens = input.shape[1], middle = random.Next(1, (int)tokens);
        string file = Path.GetTempFileName();
        try
        {
            using MemoryState state = NewState(rows);
            Prefill(Input(rows, 5), state);
            state.Reset([.. Enumerable.Range(0, (int)rows).Select(row => (long)row)]);
            Prefill(input.narrow(1, 0, middle), state);
            state.Save(file);
            using MemoryState loaded = module is IMemoryModel model ? model.LoadState(file) : ((IMemoryLayer)module).LoadState(file);
            Tensor rest = input.narrow(1, middle, tokens - middle), next = Prefill(rest, state);
            Near(next, Prefill(rest, loaded), 0, "outputs, from a file");
            Near(state, loaded, 0, "from a file");
            Near(parallel.narrow(1, middle, tokens - middle), next, limit, $"outputs, from {middle}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    // What weights do that differ by what float64 rounds: a few models carry it far.
    private double ChangeByRounding(Tensor input)
    {
        using var quiet = no_grad();
        Tensor parallel = module.call(input);
        Tensor[] before = [.. module.parameters().Select(parameter => parameter.clone())];
        foreach (Parameter parameter in module.parameters())
            parameter.mul_((Normal(parameter.shape) * 1e-13) + 1);
        double change = Error(parallel, module.call(input));
        foreach (var (parameter, value) in module.parameters().Zip(before))
            parameter.copy_(value);
        return change;
    }

    private Tensor Read(Tensor input, MemoryState state, long[] pieces)
    {
        var outputs = new List<Tensor>();
        long start = 0;
        foreach (long length in pieces)
        {
            Tensor piece = input.narrow(1, start, length);
            outputs.Add(length == 1 ? Step(piece.select(1, 0), state).unsqueeze(1) : Prefill(piece, state));
            start += length;
        }

        return cat(outputs, 1);
    }

    private long[] Split(long total)
    {
        var pieces = new List<long>();
        for (long left = total; left > 0; left -= pieces[^1])
            pieces.Add(Math.Min(left, random.Next(3) == 0 ? 1 : random.Next(9)));
        return [.. pieces];
    }

    private static Tensor?[] Gradients(Tensor output, Tensor weights, Parameter[] parameters)
    {
        foreach (Parameter parameter in parameters)
            parameter.grad = null;
        (output * weights).sum().backward();
        return [.. parameters.Select(parameter => parameter.grad?.clone())];
    }

    private Tensor Normal(long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: noise);

    // Tokens that every vocabulary has, or features.
    private Tensor Input(long rows, long tokens) => module is IMemoryModel
        ? randint(0, 3, [rows, tokens], dtype: ScalarType.Int64, generator: noise)
        : Normal([rows, tokens, long.Parse(declaration.Split("Dim = ")[1].Split(')')[0], System.Globalization.CultureInfo.InvariantCulture)]);

    private MemoryState NewState(long rows) => module is IMemoryModel model ? model.NewState(rows) : ((IMemoryLayer)module).NewState(rows);

    private Tensor Prefill(Tensor input, MemoryState state) => module is IMemoryModel model ? model.Prefill(input, state) : ((IMemoryLayer)module).Prefill(input, state);

    private Tensor Step(Tensor input, MemoryState state) => module is IMemoryModel model ? model.Step(input, state) : ((IMemoryLayer)module).Step(input, state);

    private void Near(MemoryState expected, MemoryState actual, double limit, string what)
    {
        foreach (var (a, b) in expected.Tensors.Zip(actual.Tensors))
            Near(a.Value, b.Value, limit, $"{a.Name}, {what}");
    }

    private void Near(Tensor expected, Tensor actual, double limit, string what)
    {
        double error = Error(expected, actual);
        Assert.True(error <= limit, $"{what}: error {error:g3} above {limit:g1}\n{declaration}");
    }

    // A score that is kept may be infinite, but then in both.
    private static double Error(Tensor expected, Tensor actual)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        Tensor a = Finite(expected), b = Finite(actual);
        return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>() / Math.Max(1, a.abs().max().item<double>());
    }

    private static Tensor Finite(Tensor value) => value.detach().to(ScalarType.Float64) is var x ? x.masked_fill(x.isposinf(), 1).masked_fill(x.isneginf(), -1) : value;
}
