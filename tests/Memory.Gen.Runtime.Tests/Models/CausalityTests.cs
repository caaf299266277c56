using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>No token sees a later one, nor one of another row: not through an attention, a convolution, a gradient block or what a memory recalls.</summary>
public sealed class CausalityTests : IDisposable
{
    private const long Tokens = 23;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ATokenChangesNothingBeforeItAndSomethingFromItOn(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        // The same bits, for what comes before is computed from the same numbers in the same order. Only in a mixture do later
        // tokens decide how many others a memory is computed with, and so the order of sums.
        double limit = name.Contains("Mixture", StringComparison.Ordinal) ? 1e-14 : 0;
        Tensor input = subject.Input(2, Tokens), expected = subject.Forward(input);
        for (long j = 0; j < Tokens; j++)
        {
            using var inner = NewDisposeScope();
            Tensor changed = input.clone(), token = changed.select(1, j);
            token.copy_(subject.IsModel ? (token + 1).remainder(11) : token + 1);
            Tensor actual = subject.Forward(changed);
            Numbers.Near(expected.narrow(1, 0, j), actual.narrow(1, 0, j), limit, $"tokens before {j}");
            Assert.True(Numbers.Error(actual.select(1, j), expected.select(1, j)) > 0, $"token {j} does not depend on itself");
        }
    }

    [Theory, MemberData(nameof(All))]
    public void ATokenChangesNoBitOfAnotherRow(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        double limit = name.Contains("Mixture", StringComparison.Ordinal) ? 1e-14 : 0; // as above
        Tensor input = subject.Input(3, Tokens), expected = subject.Forward(input), changed = input.clone();
        for (long j = 0; j < Tokens; j += 3)
        {
            Tensor token = changed.select(0, 1).select(0, j);
            token.copy_(subject.IsModel ? (token + 1).remainder(11) : token + 1);
        }

        Tensor actual = subject.Forward(changed);
        Assert.True(Numbers.Error(expected.select(0, 1), actual.select(0, 1)) > 0);
        foreach (long row in new long[] { 0, 2 })
            Numbers.Near(expected.select(0, row), actual.select(0, row), limit, $"row {row}");
    }
}
