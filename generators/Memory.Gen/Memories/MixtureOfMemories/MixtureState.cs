using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Writes what a mixture of memories keeps.</summary>
internal static class MixtureState
{
    /// <summary>What goes through convolutions, where there are any.</summary>
    public static readonly string[] Convolved = ["query", "key", "value"];

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
        bool titans = memory.Rule == MemoryRule.Titans;
        writer.Lines(
            tail > 0 ? $"public readonly StateTensor QueryTail{(memory.IsProduct ? "" : ", KeyTail")};  // [B, {axis}{tail}, {Heads("query")}*K]{remark}" : null,
            tail > 0 && memory.IsProduct ? $"public readonly StateTensor KeyTail;  // [B, {axis}{tail}, {Heads("key")}*K]" : null,
            tail > 0 ? $"public readonly StateTensor ValueTail;  // [B, {axis}{tail}, {Heads("value")}*V]" : null,
            $"public readonly StateTensor S;  // [B, {axis}H, K, V]",
            titans ? $"public readonly StateTensor P;  // [B, {axis}H, K, V], its momentum" : null,
            "");
        using CodeWriter.Scope constructor = writer.Block($"public {type}(MemoryState owner, string prefix{parameter}) : base(owner, prefix)");
        string matrix = $"{sizes}{memory.Heads}, {memory.KeyDim}, {memory.ValueDim}";
        if (tail > 0)
            foreach (string name in Convolved)
                writer.Lines(Tensor($"{char.ToUpperInvariant(name[0])}{name.Substring(1)}Tail", "Cache", name + "_tail", $"{sizes}{tail}, {LinearMemoryHeads.Channels(memory, name)}"));
        writer.Lines(
            Tensor("S", "Memory", "memory", matrix),
            titans ? Tensor("P", "Memory", "momentum", matrix) : null);

        string Tensor(string field, string kind, string name, string shape) =>
            $"{field} = {kind}(\"{name}\", {(parameter.Length > 0 ? "[" + shape + "]" : shape)});";
    }
}
