using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Writes what a mixture of memories keeps.</summary>
internal static class MixtureState
{
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
        long keys = (long)memory.Heads * memory.KeyDim, values = (long)memory.Heads * memory.ValueDim;
        bool titans = memory.Rule == MemoryRule.Titans;
        writer.Lines(
            tail > 0 ? $"public readonly StateTensor QueryTail, KeyTail;  // [B, {axis}{tail}, H*K], what the convolutions still need" : null,
            tail > 0 ? $"public readonly StateTensor ValueTail;  // [B, {axis}{tail}, H*V]" : null,
            $"public readonly StateTensor S;  // [B, {axis}H, K, V]",
            titans ? $"public readonly StateTensor P;  // [B, {axis}H, K, V], its momentum" : null,
            "");
        using CodeWriter.Scope constructor = writer.Block($"public {type}(MemoryState owner, string prefix{parameter}) : base(owner, prefix)");
        string matrix = $"{sizes}{memory.Heads}, {memory.KeyDim}, {memory.ValueDim}";
        writer.Lines(
            tail > 0 ? Tensor("QueryTail", "Cache", "query_tail", $"{sizes}{tail}, {keys}") : null,
            tail > 0 ? Tensor("KeyTail", "Cache", "key_tail", $"{sizes}{tail}, {keys}") : null,
            tail > 0 ? Tensor("ValueTail", "Cache", "value_tail", $"{sizes}{tail}, {values}") : null,
            Tensor("S", "Memory", "memory", matrix),
            titans ? Tensor("P", "Memory", "momentum", matrix) : null);

        string Tensor(string field, string kind, string name, string shape) =>
            $"{field} = {kind}(\"{name}\", {(parameter.Length > 0 ? "[" + shape + "]" : shape)});";
    }
}
