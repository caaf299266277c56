using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Runtime.Tests.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>Calls of the kernels end with the tensors they began with.</summary>
[Collection(nameof(CountsTensors))]
public sealed class KernelLeakTests
{
    [Theory]
    [MemberData(nameof(KernelFormTests.Names), MemberType = typeof(KernelFormTests))]
    public void A_step_of_the_kernels_leaves_nothing(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        using var scope = NewDisposeScope();
        var random = new Randoms(6);
        Tensor[] Single(Tensor[] tensors) => [.. tensors.Select(x => x.to(ScalarType.Float32))];
        Tensor[] sequences = Single(each.Sequences(random, 21)), others = Single(each.Others(random)), states = Single(each.States(random));
        int held = scope.DisposablesCount;
        (Tensor output, Tensor[] finals) = each.Call(sequences, others, states, OperatorForm.Native, null);
        Assert.Equal(1 + states.Length, scope.DisposablesCount - held);
        output.Dispose();
        foreach (Tensor final in finals) final.Dispose();
        LiveTensors.AssertUnchanged(() => Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Native, null));
    }
}
