using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Bench;

/// <summary>A training step of a whole model, forward, backward, clipping and AdamW, as python/torch_lm.py takes it.</summary>
internal static class ModelCase
{
    public const long Batch = 8, Length = 512, Vocabulary = 256;
    private const int WarmUp = 2;

    /// <summary>Median tokens a second over <paramref name="steps"/> training steps, and the last loss.</summary>
    public static (double TokensPerSecond, double Loss) Train(nn.Module<Tensor, Tensor> model, int steps)
    {
        var optimizer = optim.AdamW(model.parameters(), lr: 1e-3, beta1: 0.9, beta2: 0.95, weight_decay: 0.1);
        var seconds = new List<double>();
        double loss = 0;
        for (int i = 0; i < steps + WarmUp; i++)
        {
            using var scope = NewDisposeScope();
            Tensor text = randint(0, Vocabulary, new[] { Batch, Length + 1 }, dtype: int64);
            long start = Stopwatch.GetTimestamp();
            Tensor logits = model.call(text.narrow(1, 0, Length));
            Tensor objective = nn.functional.cross_entropy(logits.reshape(-1, Vocabulary), text.narrow(1, 1, Length).reshape(-1));
            optimizer.zero_grad();
            objective.backward();
            nn.utils.clip_grad_norm_(model.parameters(), 1.0);
            optimizer.step();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            loss = objective.item<float>();
        }
        return (Batch * Length / Timing.Median(seconds.Skip(WarmUp)), loss);
    }
}
