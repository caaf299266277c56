using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>Memory of tensors on the CPU, which the shim keeps and hands out again.</summary>
public sealed class BlockTests
{
    // Around the ends of the kinds of blocks: none, one byte, fine steps, coarse steps, what is never kept.
    private static readonly long[] Sizes = [0, 1, 63, 64, 65, 4_095, 4_096, 4_097, 5_120, 5_121, 131_071, 131_072, 131_073, 1 << 20];

    [Fact]
    public void EveryTensorHasItsOwn()
    {
        var live = new List<(Tensor Tensor, byte Mark)>();
        var random = new Random(1);
        for (int i = 0; i < 4_000; i++)
        {
            byte mark = (byte)random.Next(256);
            live.Add((full([Sizes[random.Next(Sizes.Length)]], mark, dtype: ScalarType.Byte), mark));
            if (live.Count < 40) continue;
            int gone = random.Next(live.Count);
            Check(live[gone]);
            live.RemoveAt(gone);
        }

        live.ForEach(Check);
    }

    [Fact]
    public void OneThreadMayGiveBackWhatAnotherTook()
    {
        using var handedOver = new System.Collections.Concurrent.BlockingCollection<(Tensor Tensor, byte Mark)>(32);
        var giver = new Thread(() =>
        {
            for (int i = 0; i < 4_000; i++) handedOver.Add((full([Sizes[i % Sizes.Length]], i % 256, dtype: ScalarType.Byte), (byte)(i % 256)));
            handedOver.CompleteAdding();
        });
        giver.Start();
        foreach (var each in handedOver.GetConsumingEnumerable()) Check(each);
        giver.Join();
    }

    [Fact]
    public unsafe void TheyAreAligned()
    {
        foreach (long size in Sizes)
        {
            using Tensor tensor = empty([size], dtype: ScalarType.Byte);
            Assert.Equal(0, (long)KernelLibrary.Data(tensor) % 64);
        }
    }

    private static void Check((Tensor Tensor, byte Mark) each)
    {
        Assert.DoesNotContain(each.Tensor.data<byte>().ToArray(), value => value != each.Mark);
        each.Tensor.Dispose();
    }
}
