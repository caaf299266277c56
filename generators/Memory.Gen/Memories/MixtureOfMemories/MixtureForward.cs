using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Writes what a mixture of memories does with a call's tokens.</summary>
internal sealed class MixtureForward(MixtureOfMemoriesSpec spec, MixtureProjection[] projections)
{
    private readonly LinearMemorySpec memory = spec.Memory;

    // Without a shared memory there always is a route.
    private string Segments => spec.SharedMemory ? "route?.Segments" : "route.Segments";

    public void Write(CodeWriter writer, string state)
    {
        using (writer.Block("public override Tensor forward(Tensor x, LayerState? layer)"))
            WriteForward(writer, state);
        writer.Blank();
        writer.Comment((spec.SharedMemory ? "The memories of a route, or without one the shared memory," : "The memories")
            + " take in their tokens: what each token reads " + (memory.HasBonus ? "before it is written, with its bonus." : memory.IsGeneralized ? "after it is written, and beside it the token's own value." : "after it is written."));
        string parameters = string.Join(", ", projections.Select(p => p.Name).Prepend("q").Select(name => "Tensor " + name));
        string type = spec.SharedMemory ? state + ".Part" : state, nullable = spec.SharedMemory ? "?" : "";
        using (writer.Block($"private {(memory.IsGeneralized ? "(Tensor O, Tensor U)" : "Tensor")} Remember({parameters}, {type}? state, Routing{nullable} route)"))
            writer.Lines(Remember().ToArray());
    }

    private void WriteForward(CodeWriter writer, string state)
    {
        string[] first = ["router", .. spec.SharedProjections ? [] : new[] { "query" }, .. memory.OutputGate ? new[] { "gate" } : []];
        string[] results = ["logits", .. spec.SharedProjections ? [] : new[] { "q" }, .. memory.OutputGate ? new[] { "gates" } : []];
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            $"var state = ({state}?)layer;",
            $"{Declared(results)} = Projection.Apply(x, {string.Join(", ", first)});",
            "Routing route = Routing.TopK(logits, TopK);  // [R, L] below: [1, B*T*TopK], or [B*TopK, 1] where T is 1",
            spec.BalanceLoss > 0 ? "if (state is not null && torch.is_grad_enabled())" : null,
            spec.BalanceLoss > 0 ? "    state.AddLoss(BalanceLoss * route.BalanceLoss(state.Padding));" : null,
            "");
        if (!spec.SharedProjections)
            writer.Lines("Tensor rows = route.Gather(x);  // [R, L, D], the tokens of each memory together");
        writer.Lines(Projected(ofShared: false).ToArray());
        string[] routed = [.. projections.Select(p => spec.SharedProjections ? $"route.Gather({p.Name})" : p.Name)];
        // What memories read, and under RWKV-7's rule each token's own value beside it: the variable, and what those of many memories end with.
        (string Name, string End)[] reads = memory.IsGeneralized ? [("o", "O"), ("u", "U")] : [("o", "")];
        string Result(string name) => memory.IsGeneralized ? $"var ({name}O, {name}U)" : "Tensor " + name;
        string shape = memory.IsGeneralized ? "[R, L, H, V] each" : "[R, L, H, V]";
        bool atOnce = !spec.SharedMemory && !memory.IsGeneralized;
        if (atOnce)
            writer.Lines(Remembered("Tensor o = route.Mix(Remember(", "route.Gather(q)", routed, "state, route));  // [B, T, H, V]"));
        else
            writer.Lines(Remembered($"{Result("routed")} = Remember(", "route.Gather(q)", routed, $"{(spec.SharedMemory ? "state?.Memories" : "state")}, route);  // {shape}"));
        if (spec.SharedMemory)
        {
            if (!spec.SharedProjections)
                writer.Lines(Projected(ofShared: true).ToArray());
            writer.Lines(Remembered($"{Result("shared")} = Remember(", "q", [.. projections.Select(p => p.Name)], $"state?.Shared, null);  // {shape.Replace("R, L", "B, T")}"));
        }

        foreach ((string name, string end) in atOnce ? [] : reads)
            writer.Lines($"Tensor {name} = route.Mix(routed{end}){(spec.SharedMemory ? " + shared" + end : "")};  // [B, T, H, V]");
        (string read, string words) = memory.HasSlots ? ("o.silu()", "SiLU(o)") : ("o", "o");
        writer.Lines(
            (memory.IsGeneralized, memory.OutputGate) switch
            {
                (true, true) => "Tensor y = SwiGlu.Apply(gates, (norm.call(o) + u).flatten(2));  // [B, T, H*V], (RMSNorm(o) + u) * SiLU(gates)",
                (true, false) => "Tensor y = (norm.call(o) + u).flatten(2);  // [B, T, H*V]",
                (false, true) => $"Tensor y = norm.GatedHeads({read}, gates);  // [B, T, H*V], RMSNorm({words}) * SiLU(gates)",
                (false, false) => $"Tensor y = norm.call({read}).flatten(2);  // [B, T, H*V]",
            },
            "return Projection.Apply(y, output).MoveToOuterDisposeScope();  // [B, T, D]");
    }

    // What the routed memories, each by its own weights or all alike, or the shared one make of every token.
    private IEnumerable<string> Projected(bool ofShared)
    {
        bool routed = !ofShared && !spec.SharedProjections;
        string prefix = ofShared ? "shared_" : "";
        string[] names = [.. spec.SharedProjections ? new[] { "q" } : [], .. projections.Select(p => p.Name)];
        string[] layers = [.. spec.SharedProjections ? new[] { "query" } : [], .. projections.Select(p => prefix + p.Factors[0].Field)];
        yield return $"{(ofShared ? Tuple(names) : Declared(names))} = {Product(routed ? "rows" : "x", string.Join(", ", layers))};";
        foreach (MixtureProjection projection in projections)
            foreach (MixtureFactor factor in projection.Factors.Skip(1))
                yield return $"{projection.Name} = {Product(projection.Name + factor.Before, prefix + factor.Field)};";

        string Product(string input, string layers) => routed ? $"RoutedProjection.Apply({input}, route, {layers})" : $"Projection.Apply({input}, {layers})";
    }

    private static string Tuple(string[] names) => $"({string.Join(", ", names)})";

    private static string Declared(string[] names) => names.Length == 1 ? "Tensor " + names[0] : "var " + Tuple(names);

    private IEnumerable<string> Remember()
    {
        yield return "long R = q.shape[0], L = q.shape[1];";
        yield return Features("q", "query", "K");
        if (!memory.IsTied)
            yield return Features("k", "key", "K");
        yield return Features("v", "value", "V");
        foreach (string line in LinearMemoryLines.Spread(memory, "R, L", "K"))
            yield return line;
        foreach (MixtureProjection projection in projections)
            foreach (string line in projection.Activation)
                yield return line;
        KeptTensor[] kept = [.. MixtureState.Kept(memory)];
        foreach (KeptTensor tensor in kept)
            yield return $"var {tensor.Variable} = state?.{tensor.Field}.At(route);";
        yield return $"var read = {LinearMemoryTexts.Operator(memory)}, {string.Concat(kept.Select(k => k.Variable + "?.Value, "))}{(memory.HasSlots ? "scale: 1.0, " : "")}segments: {Segments});";
        foreach (KeptTensor tensor in kept)
            yield return $"{tensor.Variable}?.Update(read.{tensor.Final});";
        if (memory.IsGeneralized)
            yield return LinearMemoryLines.OwnValue("R, L");
        yield return memory.IsGeneralized ? "return (read.Output, u);  // [R, L, H, V] each" : "return read.Output;  // [R, L, H, V]";
    }

    // One line where it fits.
    private static string[] Remembered(string start, string q, string[] projected, string end)
    {
        string arguments = string.Join(", ", projected.Prepend(q)) + ",";
        return start.Length + arguments.Length <= 100 ? [$"{start}{arguments} {end}"] : [start, "    " + arguments, "    " + end];
    }

    // The heads of those of each write apart, unless key heads are to be spread first.
    private string Features(string name, string field, string axis)
    {
        (string heads, string letter, _) = LinearMemoryHeads.Of(memory, field);
        if (field == "value" || !memory.SharesKeys)
            (heads, letter) = (heads.Replace(" *", ","), letter.Replace("*", ", "));
        string view = $".view(R, L, {heads}, {(axis == "V" ? "ValueDim" : "KeyDim")})", tail = char.ToUpperInvariant(field[0]) + field.Substring(1) + "Tail";
        string made = memory.ConvWidth > 0 ? $"{field}_convolution.Read({name}, state?.{tail}.At(route), {Segments}){view}" : name + view + (memory.HasSlots || (memory.IsTied && field == "query") ? ".silu()" : "");
        return $"{name} = {(memory.UnitLength && axis == "K" ? $"UnitLength.Apply({made})" : made)};  // [R, L, {letter}, {axis}]";
    }
}
