using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The process's live tensors are counted here, so nothing else may run beside it.</summary>
[CollectionDefinition(nameof(CountsTensors), DisableParallelization = true)]
public sealed class CountsTensors;

/// <summary>Calls and training steps end with the tensors they began with.</summary>
[Collection(nameof(CountsTensors))]
public sealed class OperatorLeakTests
{
    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void A_call_leaves_what_it_returns(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        using var scope = NewDisposeScope();
        var random = new Randoms(6);
        Tensor[] sequences = each.Sequences(random, 21), others = each.Others(random), states = each.States(random);
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            int held = scope.DisposablesCount;
            (Tensor output, Tensor[] finals) = each.Call(sequences, others, states, form, 8);
            Assert.Equal(1 + states.Length, scope.DisposablesCount - held);
            output.Dispose();
            foreach (Tensor final in finals) final.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void A_training_step_leaves_nothing(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        using var scope = NewDisposeScope();
        var random = new Randoms(6);
        Tensor[] sequences = each.Sequences(random, 21), others = each.Others(random), states = each.States(random);
        LiveTensors.AssertUnchanged(() => Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Chunked, 8));
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Segmented), MemberType = typeof(OperatorCase))]
    public void Segments_leave_nothing(string name)
    {
        using var scope = NewDisposeScope();
        foreach (OperatorForm form in SequencePack.FormsOf(name))
        {
            SequencePack pack = SequencePack.Of(name, form, 58, 5, 0, 18);
            Segments packed = pack.Segments, gaps = Segments.Skip(zeros(1, 23, dtype: ScalarType.Bool).index_fill_(1, tensor(new long[] { 4, 9 }), true));
            int held = scope.DisposablesCount;
            (Tensor output, Tensor[] finals) = pack.Case.Call(pack.Tokens, pack.Others, pack.States, form, 8, packed);
            Assert.Equal(1 + pack.States.Length, scope.DisposablesCount - held);
            LiveTensors.AssertUnchanged(() => pack.Run(form));
            LiveTensors.AssertUnchanged(() => Numbers.ForwardBackward(pack.Case, pack.Tokens, pack.Others, [.. pack.States.Select(x => x.narrow(0, 0, 1))], form, 8, gaps));
        }
    }

    [Fact]
    public void An_attention_step_leaves_nothing()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(24);
        Tensor q = r.Normal(2, 40, 4, 5), k = r.Normal(2, 40, 2, 5), v = r.Normal(2, 40, 2, 3);
        LiveTensors.AssertUnchanged(() =>
        {
            Tensor[] leaves = [.. new[] { q, k, v }.Select(x => x.detach().requires_grad_())];
            SegmentAttention.Apply(leaves[0], leaves[1], leaves[2], 8, chunk: 16).sum().backward();
        });
    }
}
