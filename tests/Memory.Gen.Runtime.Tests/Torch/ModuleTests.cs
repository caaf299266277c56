using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public class ModuleTests
{
    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        public readonly Linear up = nn.Linear(4, 6);
        public readonly ModuleList<Linear> layers = nn.ModuleList(nn.Linear(6, 6), nn.Linear(6, 6, hasBias: false));
        public Parameter scale = new(ones(6));
        [ComponentName(Name = "steps")] private readonly Tensor counter = zeros(1, dtype: int64);
        private Tensor offset = zeros(6);

        public Block() : base(nameof(Block))
        {
            foreach (Tensor own in (Tensor[])[scale, counter, offset]) own.DetachFromDisposeScope();
            RegisterComponents();
        }

        public Tensor Offset => offset;
        public Tensor Counter => counter;

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            Tensor y = up.call(x);
            foreach (Linear layer in layers) y = layer.call(y).relu();
            return (y * scale + offset).MoveToOuterDisposeScope();
        }
    }

    [Fact]
    public void Fields_become_components_in_their_order()
    {
        using var block = new Block();
        Assert.Equal(["scale", "up.weight", "up.bias", "layers.0.weight", "layers.0.bias", "layers.1.weight"], block.named_parameters().Select(p => p.name));
        Assert.Equal(["steps", "offset"], block.named_buffers().Select(b => b.name));
        Assert.Equal(["scale", "up.weight", "up.bias", "layers.0.weight", "layers.0.bias", "layers.1.weight", "steps", "offset"], block.state_dict().Keys);
        Assert.Equal(["up", "layers"], block.named_children().Select(c => c.name));
        Assert.Equal(["up", "layers", "layers.0", "layers.1"], block.named_modules().Select(m => m.name));
        Assert.Same(block.layers[1].weight, block.get_parameter("layers.1.weight"));
        Assert.Null(block.get_parameter("layers.7.weight"));
        Assert.True(block.has_buffer("steps"));
    }

    [Fact]
    public void A_model_built_inside_a_scope_outlives_it()
    {
        Block block;
        using (NewDisposeScope()) block = new Block();
        Assert.All(block.parameters(), p => Assert.False(p.IsInvalid));
        Assert.All(block.buffers(), b => Assert.False(b.IsInvalid));
        using Tensor x = ones(2, 4);
        using Tensor y = block.call(x);
        Assert.Equal([2, 6], y.shape);
        block.Dispose();
        Assert.True(block.scale.IsInvalid);
        Assert.True(block.up.weight.IsInvalid);
    }

    [Fact]
    public void Converting_writes_the_new_tensors_back()
    {
        using var scope = NewDisposeScope();
        using var block = new Block();
        Parameter before = block.scale;
        block.scale.grad = ones_like(block.scale);
        Assert.Same(block, block.to(float64));
        Assert.NotSame(before, block.scale);
        Assert.True(before.IsInvalid);
        Assert.All(block.named_parameters(), p => Assert.Equal(float64, p.parameter.dtype));
        Assert.Same(block.scale, block.get_parameter("scale"));
        Assert.Same(block.up.weight, block.get_parameter("up.weight"));
        Assert.Same(block.Offset, block.get_buffer("offset"));
        Assert.Equal(float64, block.Offset.dtype);
        Assert.Equal(int64, block.Counter.dtype);
        Assert.True(block.scale.requires_grad && block.scale.is_leaf);
        Assert.Equal(float64, block.scale.grad!.dtype);
        Assert.Equal([2, 6], block.call(ones(2, 4, dtype: float64)).shape);
        Parameter kept = block.scale;
        block.to(float64).cpu();
        Assert.Same(kept, block.scale);
    }

    [Fact]
    public void Building_converting_and_disposing_leaves_nothing() => Numbers.AssertLeavesNothing(() =>
    {
        using var block = new Block();
        block.to(float64).to(float32);
        using Tensor x = ones(2, 4);
        using Tensor y = block.call(x);
        using (NewDisposeScope()) y.sum().backward();
        block.zero_grad();
    });

    [Fact]
    public void Built_in_modules_take_no_memory_on_the_meta_device()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(1 << 20, 1 << 20, device: META);
        using var norm = nn.LayerNorm(1 << 20, device: META);
        using var convolution = nn.Conv1d(8, 8, 3, device: META);
        Assert.All(linear.parameters().Concat(norm.parameters()).Concat(convolution.parameters()), p => Assert.Equal(DeviceType.META, p.device_type));
        Assert.Equal([2, 1 << 20], linear.call(empty(2, 1 << 20, device: META)).shape);
    }

    [Fact]
    public void Hooks_run_around_forward_until_removed()
    {
        using var scope = NewDisposeScope();
        using var module = nn.Identity();
        List<string> order = [];
        var before = module.register_forward_pre_hook((_, x) => { order.Add("before"); return x + 1; });
        var after = module.register_forward_hook((_, x, y) => { order.Add("after"); return y * 10; });
        module.register_forward_hook(m => order.Add(m.GetName()));
        Numbers.AssertClose([30], Numbers.Values(module.call(Numbers.Tensor([2]))));
        Assert.Equal(["before", "after", "Identity"], order);
        Numbers.AssertClose([2], Numbers.Values(module.forward(Numbers.Tensor([2]))));
        before.remove();
        after.remove();
        Numbers.AssertClose([2], Numbers.Values(module.call(Numbers.Tensor([2]))));
    }

    [Fact]
    public void Train_and_eval_reach_every_module()
    {
        using var dropout = nn.Dropout(0.5);
        using var model = nn.Sequential(("linear", nn.Linear(2, 2)), ("dropout", dropout));
        Assert.True(dropout.training);
        model.eval();
        Assert.False(model.training || dropout.training);
        using Tensor x = ones(3, 2), y = model.call(x), z = model.call(x);
        Assert.True(y.allclose(z));
        model.train();
        Assert.True(dropout.training);
    }

    [Fact]
    public void Wrong_registrations_are_errors()
    {
        using var block = new Block();
        using var other = nn.Linear(2, 2);
        Assert.Throws<ArgumentException>(() => block.register_module("a.b", other));
        Assert.Throws<InvalidOperationException>(() => block.register_module("up", other));
        Assert.Throws<InvalidOperationException>(() => block.register_parameter("scale", block.scale));
        Assert.Throws<ArgumentNullException>(() => block.register_buffer("nothing", null!));
        using var identity = nn.Identity();
        Assert.Throws<InvalidOperationException>(() => identity.register_parameter("p", block.scale));
    }

    [Fact]
    public void Sequential_runs_slices_and_disposes_what_lies_between()
    {
        using var model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2));
        using Tensor x = ones(5, 3);
        Numbers.AssertLeavesNothing(() => model.call(x).Dispose());
        Assert.Equal(["0.weight", "0.bias", "2.weight", "2.bias"], model.state_dict().Keys);
        Assert.Equal(2, model[1..].Count);
        using Tensor whole = model.call(x), head = model[..1].call(x), tail = model[1..].call(head);
        Assert.True(whole.allclose(tail));
    }
}
