using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Conformance;

/// <summary>One tensor of one vector file against what the operator gave.</summary>
/// <param name="Tensor">The tensor's name in the file; <c>-</c> when the file could not be run at all.</param>
/// <param name="Error">max|a - b| / max(1, max|b|); NaN when there is nothing to compare.</param>
/// <param name="Limit">The largest error allowed.</param>
/// <param name="Reason">Why there is nothing to compare, where that is so.</param>
internal sealed record Comparison(string Tensor, double Error, double Limit, string? Reason = null)
{
    /// <summary>A NaN is no pass.</summary>
    public bool Passed => Error <= Limit;
}

/// <summary>Runs the operator call of a vector file, forward and backward, and compares every output and gradient.</summary>
internal static class VectorRun
{
    public static IReadOnlyList<Comparison> Compare(string path, OperatorForm form, Precision precision, Device device, int? chunk)
    {
        try
        {
            using var scope = NewDisposeScope();
            return Run(path, form, precision, device, chunk);
        }
        catch (Exception error) // also one for want of memory: the next file may be smaller
        {
            return [new Comparison("-", double.NaN, precision.OutputLimit, error.Message)];
        }
    }

    private static List<Comparison> Run(string path, OperatorForm form, Precision precision, Device device, int? chunk)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        if (!file.Metadata.TryGetValue("op", out string? name)) throw new InvalidDataException("the metadata names no operator ('op')");
        if (device.type == DeviceType.CUDA && !cuda.is_available()) throw new NotSupportedException("no CUDA device is available to this libtorch");

        var inputs = new Dictionary<string, Tensor>();
        foreach (string key in Named(file, "in."))
        {
            ScalarType dtype = OperatorCalls.IsState(name, key) ? precision.Accumulation : precision.Inputs;
            inputs[key] = file.Read("in." + key).to(dtype).to(device).detach().requires_grad_();
        }

        Dictionary<string, Tensor> outputs = OperatorCalls.Run(name, new OperatorCall(inputs, file.Metadata, form, chunk));
        var lines = new List<Comparison>();
        Tensor objective = zeros([], dtype: ScalarType.Float64, device: device);
        foreach (string key in Named(file, "out."))
        {
            if (!outputs.TryGetValue(key, out Tensor? output))
            {
                lines.Add(new Comparison("out." + key, double.NaN, precision.OutputLimit, $"{name} has no output '{key}'"));
                continue;
            }

            lines.Add(Measure("out." + key, output, file.Read("out." + key), precision.OutputLimit));
            if (file.Names.Contains("grad." + key)) objective = objective + (output.to(ScalarType.Float64) * file.Read("grad." + key).to(device)).sum();
        }

        string[] gradients = [.. Named(file, "din.")];
        if (gradients.Length > 0 && objective.requires_grad) objective.backward();
        foreach (string key in gradients)
        {
            // Where nothing depends on an input, as in a text without tokens, its gradient is zero.
            lines.Add(inputs.TryGetValue(key, out Tensor? input)
                ? Measure("din." + key, input.grad ?? zeros_like(input), file.Read("din." + key), precision.GradientLimit)
                : new Comparison("din." + key, double.NaN, precision.GradientLimit, $"the file has no in.{key}"));
        }

        return lines.Count > 0 ? lines : throw new InvalidDataException("the file has nothing to compare (no out.* and no din.*)");
    }

    private static IEnumerable<string> Named(SafetensorsFile file, string prefix) =>
        file.Names.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)).Select(key => key[prefix.Length..]).Order(StringComparer.Ordinal);

    internal static Comparison Measure(string tensor, Tensor actual, Tensor expected, double limit)
    {
        if (!actual.shape.SequenceEqual(expected.shape))
        {
            string shapes = $"{tensor} has shape [{string.Join(", ", actual.shape)}]; the file says [{string.Join(", ", expected.shape)}]";
            return new Comparison(tensor, double.NaN, limit, shapes);
        }

        if (actual.numel() == 0) return new Comparison(tensor, 0, limit);
        Tensor wide = actual.detach().to(ScalarType.Float64).cpu();
        double error = (wide - expected).abs().max().item<double>() / Math.Max(1, expected.abs().max().item<double>());
        return new Comparison(tensor, error, limit);
    }
}
