using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class ScalarLifetimeTests
{
    // Without ScalarLifetime, TorchSharp 0.107 failed in one of some thousand of these collections.
    [Fact]
    public void Numbers_among_tensors_outlive_the_collections_of_other_threads()
    {
        const int Collections = 20_000, Callers = 4;
        int before = GC.CollectionCount(0);
        bool Goes() => GC.CollectionCount(0) - before < Collections;
        var collects = new Thread(() =>
        {
            while (Goes()) GC.Collect(0); // what an allocation sets off goes with the size of the last cache: hundreds of megabytes on some CPUs
        });
        collects.Start();
        Parallel.For(0, Callers, new ParallelOptions { MaxDegreeOfParallelism = Callers }, _ =>
        {
            using var scope = NewDisposeScope();
            Tensor x = ones(16), y = ones(16);
            for (int calls = 0; Goes(); calls++)
            {
                using Tensor sum = x + y;
                if (calls % 16 != 0) continue;
                using Tensor first = sum[0];
                Assert.Equal(2, first.item<float>());
            }
        });
        collects.Join();
    }
}
