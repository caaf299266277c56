using Memory.Gen;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

[MemoryModel(VocabSize = 50_000, Dim = 16, Layers = 1)]
[LinearMemory(Heads = 1)]
public sealed partial class LargeVocabularyModel;

/// <summary>A process that reads a long prompt for its last logits alone, then a shorter one for those of all its tokens, and writes the most memory it has had before and after each.</summary>
internal static class LastLogitsChild
{
    public static int Run()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = new LargeVocabularyModel();
        using LargeVocabularyModel.State state = model.NewState(1);
        Tensor prompt = arange(4096, dtype: ScalarType.Int64).view(1, -1);
        foreach (Action read in new Action[] { () => model.Step(prompt[0].narrow(0, 0, 1), state), () => model.Read(prompt, state), () => model.Prefill(prompt.narrow(1, 0, 512), state) })
        {
            read();
            PeakMemory.Write();
        }

        return 0;
    }
}
