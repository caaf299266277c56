using Conformance;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Every vector file of the repository, outputs and gradients.</summary>
public sealed class VectorFileTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "fixtures");

    public static TheoryData<string, OperatorForm> Files()
    {
        var data = new TheoryData<string, OperatorForm>();
        foreach (string path in Directory.GetFiles(Folder, "*.safetensors").Order(StringComparer.Ordinal))
        {
            data.Add(Path.GetFileName(path), OperatorForm.Reference);
            data.Add(Path.GetFileName(path), OperatorForm.Chunked);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Float64_is_within_its_limit(string file, OperatorForm form) => Check(file, form, "f64");

    [Theory]
    [MemberData(nameof(Files))]
    public void Float32_is_within_its_limit(string file, OperatorForm form) => Check(file, form, "f32");

    [Theory]
    [MemberData(nameof(Files))]
    public void Bfloat16_is_within_its_limit(string file, OperatorForm form) => Check(file, form, "bf16");

    [Fact]
    public void A_file_that_is_not_there_is_one_failure_with_a_reason()
    {
        Comparison line = Assert.Single(VectorRun.Compare(Path.Combine(Folder, "missing.safetensors"), OperatorForm.Reference, Precision.Of("f64"), torch.CPU, null));
        Assert.False(line.Passed);
        Assert.NotNull(line.Reason);
    }

    [Fact]
    public void A_form_that_does_not_exist_here_is_a_failure()
    {
        string path = Path.Combine(Folder, "linear_attention@short.safetensors");
        Comparison line = Assert.Single(VectorRun.Compare(path, OperatorForm.Native, Precision.Of("f64"), torch.CPU, null));
        Assert.False(line.Passed);
        Assert.Contains("Native", line.Reason);
    }

    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    [InlineData(OperatorForm.Native)]
    public void A_text_without_tokens_is_a_text(OperatorForm form)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var r = new Randoms(96);
        Tensor q = r.Normal(2, 0, 3, 4), v = r.Normal(2, 0, 3, 5), gate = r.Normal(2, 0, 3), S = r.Normal(2, 3, 4, 5), dS = r.Normal(2, 3, 4, 5);
        var file = new Dictionary<string, Tensor>
        {
            ["in.q"] = q, ["in.k"] = q, ["in.v"] = v, ["out.o"] = v, ["grad.o"] = v, ["din.q"] = q, ["din.k"] = q, ["din.v"] = v,
            ["out.final_state"] = zeros_like(S), ["grad.final_state"] = dS,
        };
        void Passes(string name, int tensors)
        {
            SafetensorsFile.Write(folder.File(name), file, new Dictionary<string, string> { ["op"] = name, ["scale"] = "0.5" });
            IReadOnlyList<Comparison> lines = VectorRun.Compare(folder.File(name), form, Precision.Of("f32"), CPU, null);
            Assert.Equal(tensors, lines.Count);
            Assert.All(lines, line => Assert.True(line.Passed, $"{name} {line.Tensor}: error {line.Error:g3} {line.Reason}"));
        }

        Passes("linear_attention", 5);
        (file["in.beta"], file["din.beta"], file["in.log_decay"], file["din.log_decay"]) = (gate, gate, gate, gate);
        (file["in.initial_state"], file["out.final_state"], file["din.initial_state"]) = (S, S, dS);
        Passes("gated_delta_rule", 8);
    }

    [Fact]
    public void Not_a_number_is_no_pass() => Assert.False(new Comparison("out.o", double.NaN, 1).Passed);

    private static void Check(string file, OperatorForm form, string dtype)
    {
        IReadOnlyList<Comparison> lines = VectorRun.Compare(Path.Combine(Folder, file), form, Precision.Of(dtype), torch.CPU, null);
        Assert.All(lines, line => Assert.True(line.Passed, $"{line.Tensor}: error {line.Error:g3}, limit {line.Limit:g3} {line.Reason}"));
    }
}
