using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>A kernel reads where segments begin in managed memory that only its options hold: they must live until it returns.</summary>
public sealed class OptionLifetimeTests
{
    [Fact]
    public void Options_outlive_a_kernel_that_a_collection_overtakes()
    {
        // Only what is compiled with full optimisation ends the life of what it does not name again.
        (int code, string output, string errors) = ChildProcess.Run(typeof(OptionLifetimeTests).Assembly, [("DOTNET_TieredCompilation", "0")], "lifetimes");
        Assert.True(code == 0, output + errors);
        Assert.Equal(["call: True", "recorded call: True", "backward: True"], output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>The other process: says of every place whether a collection left the options there.</summary>
    public static int Run()
    {
        using var scope = NewDisposeScope();
        var trace = new Trace();
        foreach (bool recorded in new[] { false, true })
        {
            Tensor x = ones(1).requires_grad_(recorded), y = Probe.Of(trace, x);
            if (recorded) y.sum().backward();
        }

        string[] places = ["call", "recorded call", "backward"];
        foreach ((string place, bool lived) in places.Zip(trace.Lived)) Console.WriteLine($"{place}: {lived}");
        return 0;
    }

    private sealed class Trace
    {
        public List<bool> Lived { get; } = [];
    }

    private sealed record Options(Trace Trace);

    /// <summary>The identity; in the place of a kernel's call it looks whether a collection takes the options.</summary>
    private sealed class Probe : KernelFunction<Probe, Options>
    {
        public static Tensor Of(Trace trace, Tensor x) => Apply(new Options(trace), x)[0];

        protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
        {
            Look(options);
            return [inputs[0]!.clone()];
        }

        protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
        {
            Look(options);
            gradients[0]!.copy_(upstream[0]!);
        }

        private static void Look(Options options)
        {
            List<bool> lived = options.Trace.Lived;
            var seen = new WeakReference(options);
            GC.Collect();
            lived.Add(seen.IsAlive);
        }
    }
}
