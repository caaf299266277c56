using System.Runtime.InteropServices;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>Errors say what was found and what to do.</summary>
public sealed class MessageTests
{
    [Fact]
    public void Libtorchs_backtrace_is_kept_apart()
    {
        using var scope = NewDisposeScope();
        Tensor a = ones(2, 3);
        Assert.Equal("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", Assert.Throws<ExternalException>(() => a.matmul(a)).Message);
    }

    [Fact]
    public void What_is_not_offered_is_named() => Assert.Throws<NotSupportedException>(() => zeros(2, names: ["row"]));

    [Fact]
    public void A_disposed_tensor_says_so()
    {
        Tensor t = ones(2);
        t.Dispose();
        Assert.Contains("disposed", Assert.Throws<InvalidOperationException>(() => t.sum()).Message);
    }

    [Fact]
    public void Host_reads_name_the_mismatch()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("do not fill", Assert.Throws<ArgumentException>(() => tensor(new List<float> { 1, 2, 3 }, 2, 2)).Message);
        Assert.Contains("exactly one element", Assert.Throws<ArgumentException>(() => ones(2).item<float>()).Message);
        Assert.Contains("meta", Assert.Throws<InvalidOperationException>(() => zeros(2, device: META).bytes.Length).Message);
    }

    [Fact]
    public void A_file_of_weights_that_does_not_fit_is_named()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Linear(3, 5);
        using var stream = new MemoryStream();
        model.save(stream);
        byte[] file = stream.ToArray();

        using var wider = nn.Linear(4, 5);
        Assert.Contains("weight", Assert.Throws<ArgumentException>(() => wider.load(new MemoryStream(file))).Message);
        using var half = nn.Linear(3, 5, dtype: float64);
        Assert.Contains("Float32", Assert.Throws<ArgumentException>(() => half.load(new MemoryStream(file))).Message);
        Assert.Throws<InvalidDataException>(() => nn.Linear(3, 5).load(new MemoryStream([2, 6, .. "weight"u8, 99])));

        Dictionary<string, Tensor> values = model.state_dict();
        values["extra"] = zeros(1);
        Assert.Contains("extra", Assert.Throws<InvalidOperationException>(() => model.load_state_dict(values)).Message);
        values["weight"] = zeros(3, 3);
        Assert.Contains("[3, 3]", Assert.Throws<ArgumentException>(() => model.load_state_dict(values, strict: false)).Message);
    }

    [Fact]
    public void A_replaced_parameter_is_reported()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(3, 2);
        using var optimizer = optim.AdamW(layer.parameters());
        layer.to(float64);
        var error = Assert.Throws<InvalidOperationException>(() => optimizer.state_dict());
        Assert.Contains("dispose", error.Message, StringComparison.OrdinalIgnoreCase);
    }
}
