using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Kernels;

/// <summary>A process that calls operators and says, a line each, what came of it.</summary>
internal static class KernelChild
{
    public static int Run()
    {
        OperatorForms.Note += note => Console.WriteLine($"note {note}");
        Console.WriteLine($"isa {KernelLibrary.Isa ?? "none"}");
        Call(null);
        Call(null);
        try
        {
            Call(OperatorForm.Native);
        }
        catch (NotSupportedException refused)
        {
            Console.WriteLine($"refused {refused.Message}");
        }

        return 0;
    }

    private static void Call(OperatorForm? form)
    {
        using var scope = NewDisposeScope();
        Tensor[] x = [.. Enumerable.Range(0, 3).Select(i => new Randoms((ulong)i).Normal(1, 70, 2, 9))];
        Tensor[] single = [.. x.Select(each => each.to(ScalarType.Float32))];
        Tensor expected = LinearAttention.Apply(x[0], x[1], x[2], form: OperatorForm.Reference).Output;
        Tensor actual = LinearAttention.Apply(single[0], single[1], single[2], form: form).Output;
        Console.WriteLine($"{OperatorForms.LastUsed!.Value.Form} {(Numbers.Error(actual, expected) < 2e-5 ? "right" : "wrong")}");
    }
}
