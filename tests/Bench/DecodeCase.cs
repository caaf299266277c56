using System.Diagnostics;
using Memory.Gen.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Bench;

/// <summary>Decoding with a whole model, one token of one sequence after the other, as generation does it and, in PyTorch, python/torch_decode.py.</summary>
internal static class DecodeCase
{
    private const long Checked = 64, Vocabulary = 256;

    // The just-in-time compiler puts faster code in place while the first steps run; Python has nothing like it to wait for.
    private const int WarmUp = 1_000;

    /// <summary>Median tokens a second over <paramref name="steps"/> steps, and how far the steps are from the parallel form.</summary>
    public static (double TokensPerSecond, double Error) Run<TModel>(TModel model, int steps) where TModel : nn.Module<Tensor, Tensor>, IMemoryModel
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var state = model.NewState(1);
        Tensor text = randint(0, Vocabulary, new[] { 1, Checked }, dtype: int64);
        Tensor stepped = stack(text.unbind(1).Select(token => model.Step(token, state)), 1);
        double error = (stepped - model.call(text)).abs().max().item<float>();
        var seconds = new List<double>();
        for (int i = 0; i < steps + WarmUp; i++)
        {
            using Tensor token = randint(0, Vocabulary, new[] { 1L }, dtype: int64);
            long start = Stopwatch.GetTimestamp();
            model.Step(token, state).Dispose();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return (1 / Timing.Median(seconds.Skip(WarmUp)), error);
    }
}
