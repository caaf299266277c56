using Memory.Gen.Runtime;
using Memory.Gen.Training.RecallTasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Recall;

/// <summary>Looks into the eidetic slots of a model.</summary>
internal static class SlotContents
{
    private const int Rows = 64;

    /// <summary>The share of taken slots that hold no filler when the context has been read; null for a model without slots.</summary>
    public static double? Precision(IMemoryModel model, RecallTask task)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var state = model.NewState(Rows);
        StateTensor[] slots = [.. state.Tensors.Where(each => each.Name.EndsWith("eidetic_places", StringComparison.Ordinal))];
        if (slots.Length == 0) return null;
        var batch = task.Draw(RecallSet.Test, 0, 0, Rows);
        model.Read(tensor(batch.Tokens, device: state.Device).view(Rows, batch.Length).narrow(1, 0, task.Context), state);
        int taken = 0, planted = 0;
        foreach (StateTensor layer in slots)
        {
            // Places count from 1; 0 is an empty slot.
            long[] places = layer.Value.cpu().contiguous().view(-1).data<long>().ToArray();
            for (int i = 0; i < places.Length; i++)
            {
                if (places[i] == 0) continue;
                taken++;
                if (batch.Tokens[(i / (places.Length / Rows) * batch.Length) + places[i] - 1] != 0) planted++;
            }
        }
        return planted / (double)taken;
    }
}
