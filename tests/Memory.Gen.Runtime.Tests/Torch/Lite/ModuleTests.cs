using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>What modules can do here and cannot in TorchSharp 0.107.</summary>
public sealed class ModuleTests
{
    private sealed class Counter : nn.Module<Tensor, Tensor>
    {
        public Counter() : base(nameof(Counter)) => register_buffer("seen", zeros(2), persistent: false);

        public override Tensor forward(Tensor x) => x + get_buffer("seen")!;
    }

    [Fact]
    public void A_buffer_that_is_not_saved_is_converted_all_the_same()
    {
        using var scope = NewDisposeScope();
        using var counter = new Counter();
        counter.to(float64);
        Assert.Equal(float64, counter.get_buffer("seen")!.dtype);
        Assert.Equal(["seen"], counter.named_buffers().Select(b => b.name));
        Assert.Empty(counter.state_dict());
    }

    [Fact]
    public void Shared_weights_stay_shared()
    {
        using var embedding = nn.Embedding(5, 4);
        using var head = nn.Linear(4, 5, hasBias: false);
        head.weight = embedding.weight!;
        using var both = nn.ModuleDict<nn.Module>(("embedding", embedding), ("head", head));
        both.to(float64);
        Assert.Same(embedding.weight, head.weight);
        Assert.Equal(["embedding.weight"], both.named_parameters().Select(p => p.name));
        Assert.Equal(["embedding.weight", "head.weight"], both.state_dict().Keys);
    }

    [Fact]
    public void Lists_and_dictionaries_number_and_name_their_modules()
    {
        using var list = nn.ModuleList(nn.Identity(), nn.Identity());
        list.Insert(0, nn.Identity());
        list.RemoveAt(2);
        list.append(nn.Identity());
        Assert.Equal(["0", "1", "2"], list.named_children().Select(c => c.name));
        using var dict = nn.ModuleDict(("b", nn.Identity()), ("a", nn.Identity()));
        dict["c"] = nn.Identity();
        Assert.True(dict.Remove("b"));
        Assert.Equal(["a", "c"], dict.named_children().Select(c => c.name));
        Assert.Equal(["a", "c"], dict.keys());
    }

    [Fact]
    public void An_embedding_takes_no_memory_on_the_meta_device()
    {
        using var table = nn.Embedding(1 << 20, 1 << 20, padding_idx: 0, device: META);
        Assert.Equal(META.type, table.weight!.device_type);
    }
}
