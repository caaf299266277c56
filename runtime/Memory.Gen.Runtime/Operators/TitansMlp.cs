using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What a deep Titans memory returns.</summary>
/// <param name="Output">What every token read, <c>[B, T, H, V]</c>.</param>
/// <param name="FinalWeights">The memory's matrices after the last token, first layer first.</param>
/// <param name="FinalMomenta">Their momenta; empty without momentum.</param>
public readonly record struct TitansMlpRead(Tensor Output, IReadOnlyList<Tensor> FinalWeights, IReadOnlyList<Tensor> FinalMomenta)
{
    /// <param name="tensors">The output, and where the memory's end was wanted the weights, then the momenta.</param>
    /// <param name="layers">How many weights.</param>
    internal static TitansMlpRead Of(IReadOnlyList<Tensor> tensors, int layers) =>
        new(tensors[0], [.. tensors.Skip(1).Take(layers)], [.. tensors.Skip(1 + layers)]);
}

/// <summary>
/// A perceptron that learns while it reads: f(x) = W_L^T phi(... phi(W_1^T x)), or a gated linear unit; G is the gradient of 1/2 |f(k) - v|^2 at the
/// weights its block started with; S = eta S - theta G, W = (1 - alpha) W + S; read o = f(q) after the token's own write.
/// </summary>
/// <remarks>Behrouz, Zhong, Mirrokni: Titans (arXiv 2501.00663), section 3. Any depth from one layer on.</remarks>
public static class TitansMlp
{
    private const string Name = "titans_mlp";

    /// <summary>Reads a whole sequence, or continues one; a call begins a block.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="theta">Step size <c>[B, T, H]</c>, positive.</param>
    /// <param name="eta">Momentum factor <c>[B, T, H]</c>, 0 to 1; null for no momentum.</param>
    /// <param name="alpha">Forgetting <c>[B, T, H]</c>, 0 to 1; null for none.</param>
    /// <param name="weights">The entering matrices, <c>[B, H, K, E]</c> ... <c>[B, H, E, V]</c>, float32 or wider, one a layer; of a gated linear unit W_1 and W_2, then W_3 shaped like W_1.</param>
    /// <param name="options">The block, the nonlinearity and the rule's variants.</param>
    /// <param name="momenta">The entering momenta, shaped like the weights; null for zeros, and without momentum.</param>
    /// <param name="target">What forgetting leads to, shaped like the weights: W = target + (1 - alpha) (W - target) + S; null for zeros.</param>
    /// <param name="residual">Factor gamma <c>[H, V]</c>, K being V: the memory is f(x) + gamma LN of that instead, f(x) = x + gamma LN(p(x)), eps 1e-6; null for the plain perceptron p.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="segments">Which tokens make up which sequence, each with weights and blocks of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the weights and momenta that continue the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device, or goes with one that is null.</exception>
    public static TitansMlpRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor theta, Tensor? eta, Tensor? alpha, IReadOnlyList<Tensor> weights, TitansOptions options,
        IReadOnlyList<Tensor>? momenta = null, IReadOnlyList<Tensor>? target = null, Tensor? residual = null,
        OperatorForm? form = null, Segments? segments = null) =>
        Read(q, k, v, theta, eta, alpha, weights, options, momenta, target, residual, form, segments, ends: true);

    /// <summary>The same; without <paramref name="ends"/> no weights and momenta are made of the last token.</summary>
    internal static TitansMlpRead Read(
        Tensor q, Tensor k, Tensor v, Tensor theta, Tensor? eta, Tensor? alpha, IReadOnlyList<Tensor> weights, TitansOptions options,
        IReadOnlyList<Tensor>? momenta, IReadOnlyList<Tensor>? target, Tensor? residual, OperatorForm? form, Segments? segments, bool ends)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        door.Gate(nameof(theta), theta, "BTH");
        if (eta is not null) door.Gate(nameof(eta), eta, "BTH");
        if (alpha is not null) door.Gate(nameof(alpha), alpha, "BTH");
        SegmentLayout? layout = door.Segments(segments);
        CheckOptions(door, options);
        TitansShape[] shapes = CheckLayers(door, weights, door['V'], options.GatedLinearUnit);
        CheckLikeWeights(door, nameof(momenta), momenta, shapes, nameof(eta), eta);
        CheckLikeWeights(door, nameof(target), target, shapes, nameof(alpha), alpha);
        CheckResidual(door, residual);
        var call = new TitansCall(
            q, k, v, theta, eta, alpha, [.. weights], eta is null ? [] : momenta is null ? new Tensor?[weights.Count] : [.. momenta],
            target is null ? null : [.. target], residual, options) { Ends = ends };
        return TitansMemory.Apply(Name, door, call, shapes, layout, form);
    }

    /// <summary>Reads without writing: f(q) at the given weights.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="weights">The matrices, as for <see cref="Apply"/>.</param>
    /// <param name="activation">Between the layers.</param>
    /// <param name="residual">As for <see cref="Apply"/>.</param>
    /// <param name="gatedLinearUnit">Whether they are those of a gated linear unit.</param>
    /// <returns><c>[B, T, H, V]</c>.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Retrieve(
        Tensor q, IReadOnlyList<Tensor> weights, TitansActivation activation = TitansActivation.Silu, Tensor? residual = null, bool gatedLinearUnit = false)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        TitansShape[] shapes = CheckLayers(door, weights, -1, gatedLinearUnit);
        int last = gatedLinearUnit ? 1 : shapes.Length - 1;
        door.Bind('V', shapes[last].To, $"weights[{last}]");
        CheckResidual(door, residual);
        using var scope = NewDisposeScope();
        var perceptron = new TitansPerceptron(
            weights.Count, new TitansOptions(1) { Activation = activation, GatedLinearUnit = gatedLinearUnit }, residual?.to(door.Accumulation).unsqueeze(-2));
        Tensor read = perceptron.Read(q.to(door.Accumulation).transpose(1, 2), (l, x) => x.matmul(weights[l]));
        return read.transpose(1, 2).to(door.Dtype).MoveToOuterDisposeScope();
    }

    private static TitansShape[] CheckLayers(FrontDoor door, IReadOnlyList<Tensor> weights, long outputs, bool gated)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (gated ? weights.Count != TitansShape.GatedMatrices : weights.Count == 0)
        {
            string expected = gated ? "the three of a gated linear unit, W_1, W_2 and W_3" : "one a layer";
            throw new ArgumentException($"{Name}: weights has {(weights.Count == 0 ? "no" : weights.Count)} matrices; expected {expected}.", nameof(weights));
        }

        int layers = gated ? 2 : weights.Count;
        var widths = new long[layers + 1];
        widths[0] = door['K'];
        for (int l = 0; l < layers; l++)
        {
            var shape = new TitansShape(widths[l], l == layers - 1 ? outputs : -1);
            CheckMatrix(door, nameof(weights), weights, l, shape, l == 0 ? "q" : $"weights[{l - 1}]", "v");
            widths[l + 1] = door['O'];
        }

        TitansShape[] shapes = TitansShape.Of(widths, gated);
        if (gated) CheckMatrix(door, nameof(weights), weights, layers, shapes[layers], "weights[0]", "weights[0]");
        return shapes;
    }

    /// <param name="door">Learns the columns where <paramref name="shape"/> has -1 of them.</param>
    /// <param name="argument">Name of the matrices.</param>
    /// <param name="tensors">The matrices.</param>
    /// <param name="l">Which of them.</param>
    /// <param name="shape">Its size.</param>
    /// <param name="rowsOf">What has as many features as it has rows.</param>
    /// <param name="columnsOf">What has as many as it has columns.</param>
    private static void CheckMatrix(
        FrontDoor door, string argument, IReadOnlyList<Tensor> tensors, int l, TitansShape shape, string rowsOf, string columnsOf)
    {
        door.Bind('I', shape.From, rowsOf);
        door.Bind('O', shape.To, columnsOf);
        FrontDoor.Required(Name, $"{argument}[{l}]", tensors[l]);
        door.State($"{argument}[{l}]", tensors[l], "BHIO");
    }

    private static void CheckLikeWeights(FrontDoor door, string argument, IReadOnlyList<Tensor>? tensors, TitansShape[] shapes, string gate, Tensor? gateOf)
    {
        if (tensors is null) return;
        if (gateOf is null) throw new ArgumentException($"{Name}: {argument} was given, but {gate} is null; give {gate} too, or no {argument}.", argument);
        if (tensors.Count != shapes.Length)
        {
            throw new ArgumentException($"{Name}: {argument} has {tensors.Count} matrices; expected {shapes.Length}, one a weight.", argument);
        }

        for (int l = 0; l < tensors.Count; l++) CheckMatrix(door, argument, tensors, l, shapes[l], $"weights[{l}]", $"weights[{l}]");
    }

    private static void CheckResidual(FrontDoor door, Tensor? residual)
    {
        if (residual is null) return;
        if (door['K'] != door['V'])
        {
            throw new ArgumentException($"{Name}: residual was given, but keys have {door['K']} features and values {door['V']}; expected as many.", nameof(residual));
        }

        door.Gate(nameof(residual), residual, "HV");
    }

    private static void CheckOptions(FrontDoor door, TitansOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        door.Positive(nameof(options.Block), options.Block);
        if (options.Clip is <= 0 or double.NaN)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Clip, $"{Name}: Clip is {options.Clip}; expected a number above 0, or null.");
        }

        if (!Enum.IsDefined(options.Activation))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Activation, $"{Name}: Activation must be Silu or Gelu.");
        }

        if (options.Muon is <= 0 or double.NaN)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Muon, $"{Name}: Muon is {options.Muon}; expected a number above 0, or null.");
        }

        if (options.Muon is not null && !options.ReadsBlockStart)
        {
            throw new ArgumentException($"{Name}: Muon was given without ReadsBlockStart; a block is written at its end, so set it.", nameof(options));
        }

        if (options.WeightNorm && options.Muon is null)
        {
            throw new ArgumentException($"{Name}: WeightNorm was given without Muon; give both, or neither.", nameof(options));
        }
    }
}
