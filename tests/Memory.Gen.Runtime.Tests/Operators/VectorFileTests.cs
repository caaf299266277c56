using Conformance;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;

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

    [Fact]
    public void Not_a_number_is_no_pass() => Assert.False(new Comparison("out.o", double.NaN, 1).Passed);

    private static void Check(string file, OperatorForm form, string dtype)
    {
        IReadOnlyList<Comparison> lines = VectorRun.Compare(Path.Combine(Folder, file), form, Precision.Of(dtype), torch.CPU, null);
        Assert.All(lines, line => Assert.True(line.Passed, $"{line.Tensor}: error {line.Error:g3}, limit {line.Limit:g3} {line.Reason}"));
    }
}
