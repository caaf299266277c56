using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>A server that reads all its conversations in one batch: each is made the text that it is made alone.</summary>
public sealed class BatchedConversationTests : IDisposable
{
    private const int Conversations = 6, Rows = 3;

    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> Models => Subject.Models;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(Models))]
    public void ConversationsComeAndGoInABatch(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        var random = new Random(4);
        List<(long[] Prompt, GenerationOptions Options)> waiting = [.. Enumerable.Range(0, Conversations).Select(i => (
            Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.NextInt64(11)).ToArray(), new GenerationOptions { Seed = i, MaxTokens = random.Next(1, 15), TopK = 6, TopP = 0.95 }))];
        long[][] alone = [.. waiting.Select(each => subject.Model.Generate(each.Prompt, each.Options).ToArray())];
        var ended = new Dictionary<long, long[]>();

        var going = new List<(GenerationOptions Options, Sampler Sampler, List<long> Text)>();
        MemoryState? batch = null;
        Tensor? logits = null;
        while (waiting.Count > 0 || going.Count > 0)
        {
            if (waiting.Count > 0 && going.Count < Rows)
            {
                (long[] prompt, GenerationOptions options) = waiting[0];
                waiting.RemoveAt(0);
                MemoryState one = subject.Model.NewState(1);
                Tensor last = subject.Model.Prefill(tensor(prompt).view(1, -1), one).select(1, -1);
                (batch, logits) = batch is null ? (one, last) : (MemoryState.Join(batch, one), cat([logits!, last], 0));
                going.Add((options, new Sampler(options), []));
            }

            for (int row = 0; row < going.Count; row++) going[row].Text.Add(going[row].Sampler.Choose(logits![row]));
            long[] stay = [.. Enumerable.Range(0, going.Count).Where(row => going[row].Text.Count < going[row].Options.MaxTokens).Select(row => (long)row)];
            foreach (var over in going.Where(each => each.Text.Count == each.Options.MaxTokens)) ended.Add(over.Options.Seed, [.. over.Text]);
            batch = stay.Length == 0 ? null : batch!.Rows(stay);
            going = [.. stay.Select(row => going[(int)row])];
            if (batch is not null) logits = subject.Model.Step(tensor(going.Select(each => each.Text[^1]).ToArray()), batch);
        }

        for (int i = 0; i < Conversations; i++) Assert.Equal(alone[i], ended[i]);
    }
}
