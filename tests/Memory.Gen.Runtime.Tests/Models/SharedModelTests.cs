using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>A server: one model, many threads, a state for every conversation.</summary>
public sealed class SharedModelTests
{
    private const int Conversations = 4, Rounds = 3;

    public static TheoryData<string> Models => Subject.Models;

    [Theory, MemberData(nameof(Models))]
    public void ConversationsOnManyThreadsGoAsAlone(string name)
    {
        using var subject = new Subject(name, ScalarType.Float32);
        (long[] Text, float[] Logits)[] alone = [.. Enumerable.Range(0, Conversations).Select(Hold)];
        var wrong = new System.Collections.Concurrent.ConcurrentBag<string>();
        Thread[] threads = [.. Enumerable.Range(0, Conversations).Select(first => new Thread(() =>
        {
            try
            {
                for (int round = 0; round < Rounds; round++)
                {
                    int number = (first + round) % Conversations;
                    (long[] text, float[] logits) = Hold(number);
                    if (!text.SequenceEqual(alone[number].Text) || !logits.SequenceEqual(alone[number].Logits)) wrong.Add($"conversation {number} went another way");
                }
            }
            catch (Exception error)
            {
                wrong.Add(error.ToString());
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        Assert.Empty(wrong);

        // Prompts of different lengths; then a text token by token, and a batch of two that goes on from it.
        (long[] Text, float[] Logits) Hold(int number)
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            using MemoryState state = subject.Model.NewState(1);
            long[] prompt = [.. Enumerable.Range(0, 3 + (5 * number)).Select(i => (long)((i * 7) + number) % 11)];
            long[] text = [.. subject.Model.Generate(prompt, new GenerationOptions { MaxTokens = 9, Seed = number, TopK = 8 }, state)];
            using MemoryState both = MemoryState.Join(state, state);
            Tensor logits = subject.Model.Prefill(tensor(prompt).view(1, -1).expand(2, -1), both);
            return (text, logits.contiguous().view(-1).data<float>().ToArray());
        }
    }
}
