using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>A rule of the Titans memories: everything that can be chosen about one, and random inputs for it.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Options">Block and switches.</param>
/// <param name="Widths">The first layer's inputs, then every layer's outputs.</param>
public sealed record TitansCase(string Name, TitansOptions Options, params long[] Widths)
{
    public const long B = 2, H = 2;

    /// <summary>One of every switch, alone and together.</summary>
    public static IReadOnlyList<TitansCase> All { get; } =
    [
        new("matrix", new TitansOptions(6), 5, 3),
        new("matrix without gates", new TitansOptions(4), 5, 3) { Momentum = false, Forgetting = false },
        new("matrix in the gated delta rule's order", new TitansOptions(4) { DecaysFirst = true, ReadsBlockStart = true }, 5, 3) { Target = true },
        new("matrix, clipped", new TitansOptions(4) { Clip = 0.5 }, 5, 3),
        new("matrix with residual", new TitansOptions(4), 5, 5) { Residual = true },
        new("two layers", new TitansOptions(6), 5, 7, 3),
        new("two layers, gelu, without momentum", new TitansOptions(3) { Activation = TitansActivation.Gelu }, 5, 7, 3) { Momentum = false },
        new("two layers without forgetting, read at the block's start", new TitansOptions(4) { ReadsBlockStart = true }, 5, 7, 3) { Forgetting = false },
        new("gated linear unit", new TitansOptions(4) { GatedLinearUnit = true }, 5, 7, 3),
        new("gated linear unit of gelu, clipped, toward a target", new TitansOptions(3) { GatedLinearUnit = true, Activation = TitansActivation.Gelu, Clip = 2 }, 5, 7, 3) { Target = true, Momentum = false },
        new("square gated linear unit with residual, decays first", new TitansOptions(4) { GatedLinearUnit = true, DecaysFirst = true }, 5, 5, 5) { Residual = true },
        new("two layers, clipped", new TitansOptions(4) { Clip = 2 }, 5, 7, 3),
        // Forgetting leads the residual memory to p = 0, where its norm is steepest, so these keep everything.
        new("matrix with residual without forgetting, clipped", new TitansOptions(6) { Clip = 0.5 }, 5, 5) { Residual = true, Forgetting = false },
        new("two layers with residual", new TitansOptions(5), 4, 6, 4) { Residual = true, Forgetting = false },
        new("matrix toward a target", new TitansOptions(6), 5, 3) { Target = true },
        new("two layers toward a target, clipped", new TitansOptions(4) { Clip = 2 }, 5, 7, 3) { Target = true },
        new("three layers toward a target without momentum, read at the block's start", new TitansOptions(5) { ReadsBlockStart = true }, 5, 7, 6, 3) { Target = true, Momentum = false },
        new("two layers with residual toward a target without momentum, clipped, read at the block's start", new TitansOptions(4) { ReadsBlockStart = true, Clip = 0.5, Activation = TitansActivation.Gelu }, 4, 6, 4) { Target = true, Residual = true, Momentum = false },
        new("three layers toward a target, decays first", new TitansOptions(4) { DecaysFirst = true, Activation = TitansActivation.Gelu }, 5, 7, 6, 3) { Target = true },
        new("matrix, orthogonalised", new TitansOptions(6) { ReadsBlockStart = true, Muon = 0.5 }, 5, 3),
        new("two layers, orthogonalised without momentum", new TitansOptions(9) { ReadsBlockStart = true, Muon = 0.1 }, 2, 5, 2) { Momentum = false },
        new("three layers, orthogonalised, toward a target", new TitansOptions(4) { ReadsBlockStart = true, Muon = 0.1, Activation = TitansActivation.Gelu }, 5, 7, 6, 3) { Target = true },
        new("gated linear unit, orthogonalised, of kept norms, clipped", new TitansOptions(5) { ReadsBlockStart = true, Muon = 0.1, WeightNorm = true, GatedLinearUnit = true, Clip = 0.5 }, 5, 7, 3) { Forgetting = false },
        new("square gated linear unit with residual, orthogonalised, of kept norms, decays first", new TitansOptions(4) { ReadsBlockStart = true, Muon = 0.02, WeightNorm = true, GatedLinearUnit = true, DecaysFirst = true }, 5, 5, 5) { Residual = true, Target = true },
        new("everything", new TitansOptions(4) { DecaysFirst = true, ReadsBlockStart = true, Clip = 2, Activation = TitansActivation.Gelu }, 4, 6, 4) { Target = true, Residual = true },
    ];

    public bool Momentum { get; init; } = true;

    public bool Forgetting { get; init; } = true;

    public bool Target { get; init; }

    public bool Residual { get; init; }

    public (long From, long To)[] Shapes
    {
        get
        {
            IEnumerable<(long, long)> chain = Widths.Zip(Widths.Skip(1));
            return Options.GatedLinearUnit ? [.. chain, (Widths[0], Widths[1])] : [.. chain];
        }
    }

    /// <summary>Matrices.</summary>
    public int Depth => Shapes.Length;

    public OperatorCase Case => new(
        $"titans of {Name}", (r, T) => Sequences(r, T, B, H), r => Others(r, H), r => States(r, B, H), (x, others, states, form, _, segments) => Call(x, others, states, form, segments))
    {
        Chunks = [16], // the operator has blocks, and no chunks
        HasKernels = !Options.DecaysFirst && !Options.GatedLinearUnit && Options.Muon is null,
    };

    // Orthogonalised, only the ratios of steps count, and differences between small ones would be coarse.
    private (double Least, double Most) Steps => Options.Muon is not null ? (0.3, 1) : (0, Residual ? 0.03 : 0.1);

    /// <summary>q, k of length 1, v, theta, and the gates that there are; steps are small enough that hundreds of tokens do not diverge.</summary>
    public Tensor[] Sequences(Randoms r, long T, long batch, long heads)
    {
        Tensor k = r.Normal(batch, T, heads, Widths[0]);
        List<Tensor> inputs = [r.Normal(batch, T, heads, Widths[0]), k / k.norm(-1, keepdim: true), r.Normal(batch, T, heads, Widths[^1]), r.Uniform(Steps.Least, Steps.Most, batch, T, heads)];
        if (Momentum) inputs.Add(r.Uniform(0, 0.7, batch, T, heads));
        if (Forgetting) inputs.Add(r.Uniform(0, 0.3, batch, T, heads));
        return [.. inputs];
    }

    /// <summary>The target's matrices <c>[H, d, d']</c> and gamma, where there are any.</summary>
    public Tensor[] Others(Randoms r, long heads)
    {
        List<Tensor> others = Target ? [.. Matrices(r, 1, heads).Select(matrix => matrix.squeeze(0))] : [];
        if (Residual) others.Add(r.Uniform(0.2, 0.6, heads, Widths[^1]));
        return [.. others];
    }

    /// <summary>Weights, then momenta.</summary>
    public Tensor[] States(Randoms r, long batch, long heads) => [.. Matrices(r, batch, heads), .. Momentum ? Matrices(r, batch, heads) : []];

    public (Tensor Output, Tensor[] States) Call(Tensor[] x, Tensor[] others, Tensor[] states, OperatorForm? form, Segments? segments = null)
    {
        using var scope = NewDisposeScope();
        TitansMlpRead read = TitansMlp.Apply(
            x[0], x[1], x[2], x[3], Momentum ? x[4] : null, Forgetting ? x[^1] : null, states[..Depth], Options,
            Momentum ? states[Depth..] : null, TargetOf(others, states[0].shape[0]), Residual ? others[^1] : null, form, segments);
        return (read.Output.MoveToOuterDisposeScope(), [.. read.FinalWeights.Concat(read.FinalMomenta).Select(x => x.MoveToOuterDisposeScope())]);
    }

    /// <summary>The target for every row; null where there is none.</summary>
    public Tensor[]? TargetOf(Tensor[] others, long rows) => Target ? [.. others[..Depth].Select(matrix => matrix.expand(rows, -1, -1, -1))] : null;

    private Tensor[] Matrices(Randoms r, long batch, long heads) =>
        [.. Shapes.Select(shape => r.Normal(batch, heads, shape.From, shape.To) * 0.4)];
}
