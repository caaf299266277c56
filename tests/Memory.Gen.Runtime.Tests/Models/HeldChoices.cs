using Memory.Gen.Runtime.Operators;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>
/// Notes where the routers of this thread send the tokens of a first pass, and what eidetic memories score them, and on
/// <see cref="Hold"/> makes those of later passes, whole or in pieces, the same. A choice is then no longer a matter of rounding.
/// </summary>
internal sealed class HeldChoices : IDisposable
{
    private readonly List<Tensor> held = [];
    private readonly List<Tensor> scores = [];
    private readonly double tolerance;
    private int router, scorer;
    private long position, scored;

    /// <param name="tolerance">A choice that a later pass would not have made must have been a tie up to this.</param>
    public HeldChoices(double tolerance = double.PositiveInfinity)
    {
        this.tolerance = tolerance;
        Routing.Chooser = Note;
        EideticSelection.Scorer = NoteScores;
    }

    /// <summary>Choices that a later pass would have made otherwise.</summary>
    public int Ties { get; private set; }

    /// <summary>The choices noted of one router of the first pass, <c>[B, T, K]</c>.</summary>
    public Tensor Of(int router) => held[router];

    /// <summary>From here on the choices are those noted, from the first token on.</summary>
    public void Hold()
    {
        (router, position) = (0, 0);
        (scorer, scored) = (0, 0);
        Routing.Chooser = Repeat;
        EideticSelection.Scorer = RepeatScores;
    }

    public void Dispose()
    {
        Routing.Chooser = null;
        EideticSelection.Scorer = null;
        held.ForEach(choices => choices.Dispose());
        held.Clear();
        scores.ForEach(each => each.Dispose());
        scores.Clear();
    }

    private Tensor Note(Tensor logits, long count)
    {
        Tensor choices = Routing.Largest(logits, count);
        held.Add(choices.clone().DetachFromDisposeScope());
        return choices;
    }

    private Tensor Repeat(Tensor logits, long count)
    {
        long tokens = logits.shape[1];
        Tensor choices = held[router].narrow(1, position, tokens).contiguous();
        Check(logits, choices);
        if (++router == held.Count)
            (router, position) = (0, (position + tokens) % held[0].shape[1]);
        return choices;
    }

    private Tensor NoteScores(Tensor e, Tensor? positions)
    {
        scores.Add(e.clone().DetachFromDisposeScope());
        return e;
    }

    // What is stored follows from the scores alone, so where they agree a token that is stored in place of another was a tie.
    private Tensor RepeatScores(Tensor e, Tensor? positions)
    {
        long tokens = e.shape[1];
        Tensor noted = scores[scorer].narrow(1, scored, tokens).to(e.dtype);
        Tensor apart = ((e - noted).abs() / noted.abs().clamp_min(1)).masked_fill(e.eq(noted), 0);
        double worst = tokens == 0 ? 0 : apart.max().to(ScalarType.Float64).item<double>();
        Assert.True(worst <= tolerance, $"a held score is {worst:g3} away from this pass's");
        if (++scorer == scores.Count)
            (scorer, scored) = (0, (scored + tokens) % scores[0].shape[1]);
        return noted;
    }

    private void Check(Tensor logits, Tensor choices)
    {
        Tensor least = logits.gather(2, choices).amin([2]);
        Tensor others = logits.scatter(2, choices, full(choices.shape, double.NegativeInfinity, dtype: logits.dtype)).amax([2]);
        Tensor wrong = (others - least).to(ScalarType.Float64);
        if (wrong.numel() == 0)
            return;
        Ties += (int)wrong.gt(0).sum().item<long>();
        double worst = wrong.max().item<double>();
        Assert.True(worst <= tolerance, $"a held choice is {worst:g3} below the best");
    }
}
