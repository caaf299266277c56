using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Writes what a mixture of memories keeps.</summary>
internal static class MixtureState
{
    /// <summary>What goes through convolutions, where there are any.</summary>
    public static string[] Convolved(LinearMemorySpec memory) => memory.IsTied ? ["query", "value"] : ["query", "key", "value"];

    /// <summary>What a memory keeps beside the inputs of its convolutions.</summary>
    public static IEnumerable<KeptTensor> Kept(LinearMemorySpec memory)
    {
        string matrix = $"{memory.Heads}, {memory.KeyDim}, {memory.ValueDim}", slots = $"{memory.Heads}, {memory.Slots}, ";
        return memory.Rule switch
        {
            MemoryRule.Titans => [new("S", "memory", "memory", "FinalState", matrix, "H, K, V]"), new("P", "momentum", "momentum", "FinalMomentum", matrix, "H, K, V], its momentum")],
            MemoryRule.GatedSlots => [new("SlotKeys", "keys", "slot_keys", "FinalKeys", slots + memory.KeyDim, "H, N, K]"), new("SlotValues", "values", "slot_values", "FinalValues", slots + memory.ValueDim, "H, N, V]")],
            _ => [new("S", "memory", "memory", "FinalState", matrix, "H, K, V]")],
        };
    }

    public static void Write(CodeWriter writer, MixtureOfMemoriesSpec spec, string state)
    {
        writer.Comment("What is kept of a sequence: " + (spec.SharedMemory ? "the memories that tokens are routed to, and the shared one." : "each memory" + (spec.Memory.ConvWidth > 0 ? " with the last inputs of its convolutions." : ".")));
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        if (!spec.SharedMemory)
        {
            WriteTensors(writer, spec.Memory, state, "", $"{spec.Memories}, ", "M, ");
            return;
        }

        writer.Lines("public readonly Part Memories, Shared;", "");
        using (writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)"))
            writer.Lines($"Memories = new Part(owner, prefix + \".memories\", {spec.Memories});", "Shared = new Part(owner, prefix + \".shared\");");
        writer.Lines("", "// What memories keep, side by side along an axis M; the shared one has no such axis.");
        using CodeWriter.Scope part = writer.Block("public sealed class Part : LayerState");
        WriteTensors(writer, spec.Memory, "Part", ", params long[] memories", ".. memories, ", "(M,) ");
    }

    private static void WriteTensors(CodeWriter writer, LinearMemorySpec memory, string type, string parameter, string sizes, string axis)
    {
        int tail = memory.ConvWidth - 1;
        string Heads(string name) => LinearMemoryHeads.Of(memory, name).Letter;
        const string remark = ", what the convolutions still need";
        KeptTensor[] kept = [.. Kept(memory)];
        writer.Lines(
            tail > 0 ? $"public readonly StateTensor QueryTail{(memory.IsTied || memory.IsProduct ? "" : ", KeyTail")};  // [B, {axis}{tail}, {Heads("query")}*K]{remark}" : null,
            tail > 0 && memory.IsProduct ? $"public readonly StateTensor KeyTail;  // [B, {axis}{tail}, {Heads("key")}*K]" : null,
            tail > 0 ? $"public readonly StateTensor ValueTail;  // [B, {axis}{tail}, {Heads("value")}*V]" : null);
        writer.Lines([.. kept.Select(t => $"public readonly StateTensor {t.Field};  // [B, {axis}{t.Axes}"), ""]);
        using CodeWriter.Scope constructor = writer.Block($"public {type}(MemoryState owner, string prefix{parameter}) : base(owner, prefix)");
        if (tail > 0)
            foreach (string name in Convolved(memory))
                writer.Lines(Tensor($"{char.ToUpperInvariant(name[0])}{name.Substring(1)}Tail", "Cache", name + "_tail", $"{sizes}{tail}, {LinearMemoryHeads.Channels(memory, name)}"));
        writer.Lines([.. kept.Select(t => Tensor(t.Field, "Memory", t.Key, sizes + t.Sizes))]);

        string Tensor(string field, string kind, string name, string shape) =>
            $"{field} = {kind}(\"{name}\", {(parameter.Length > 0 ? "[" + shape + "]" : shape)});";
    }
}

/// <summary>A tensor that a memory keeps.</summary>
/// <param name="Field">Its field in the state.</param>
/// <param name="Variable">What code calls it.</param>
/// <param name="Key">Its key in a file.</param>
/// <param name="Final">What of a read replaces it.</param>
/// <param name="Sizes">Its sizes in one memory of one sequence.</param>
/// <param name="Axes">Their names, and what it is where that is not plain.</param>
internal sealed record KeptTensor(string Field, string Variable, string Key, string Final, string Sizes, string Axes);
