using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>The weights of a matrix memory, alone or in a mixture, that belong to no module inside: what its gates add and are scaled by, what its reads and maps take.</summary>
internal static class LinearMemoryVectors
{
    /// <summary>Each of them, with what it adds to the card.</summary>
    public static IEnumerable<(ModulePart Part, Size Size)> Of(LinearMemorySpec spec)
    {
        long heads = spec.Heads, keys = heads * spec.KeyDim;
        if (spec.HasRate)
        {
            yield return Vector("decay_rate", "Initialize.DecayRate(Heads, device, Initialize.Wide(dtype))", "[H], its logarithm", heads);
            yield return spec.HasChannels
                ? Vector("decay_bias", "Initialize.StepBias(Heads * KeyDim, device, Initialize.Wide(dtype))", "[H*K]", keys)
                : Vector("decay_bias", "Initialize.StepBias(Heads, device, Initialize.Wide(dtype))", "[H]", heads);
        }

        if (spec.HasBonus)
        {
            yield return Vector("decay_bias", "Initialize.Ramp(Heads, KeyDim, first: -6.0, last: -1.0, within: 0.0, device, Initialize.Wide(dtype))", "[H*K], b", keys);
            yield return Vector("bonus", "Initialize.Ramp(Heads, KeyDim, first: 0.23, last: 0.0, within: 0.0, device, dtype)", "[H*K], u", keys);
        }

        if (spec.IsGeneralized)
        {
            yield return Vector("decay_bias", "Initialize.Ramp(Heads, KeyDim, first: -5.5, last: 0.5, within: 2.5, device, Initialize.Wide(dtype))", "[H*K], b", keys);
            yield return Vector("rate_bias", "Initialize.Ramp(Heads, KeyDim, first: -0.39, last: 0.01, within: 0.3, device, dtype)", "[H*K], c", keys);
            yield return Vector("removal", "Initialize.Ramp(Heads, KeyDim, first: 0.76, last: 0.66, within: 0.0, device, dtype)", "[H*K], xi", keys);
            yield return Vector("replacement", "Initialize.Constant(Heads * KeyDim, value: 1.02, device, dtype)", "[H*K], alpha", keys);
            yield return Vector("bonus", "Initialize.Constant(Heads * KeyDim, value: -0.04, device, dtype)", "[H*K], rho", keys);
        }

        if (spec.FeatureMap == FeatureMap.Hedgehog)
        {
            (string constant, string letter, long count) = LinearMemoryHeads.Of(spec, "query");
            Size map = Size.Product(count * spec.KeyDim * spec.KeyDim);
            yield return (Part("query_map", $"Initialize.Identity({constant}, KeyDim, device, dtype)", $"[{letter}*K*K], a vector, which weight decay leaves alone"), map);
            yield return (Part("key_map", $"Initialize.Identity({constant}, KeyDim, device, dtype)", $"[{letter}*K*K]"), map);
        }
    }

    /// <summary>One of them that is no matrix.</summary>
    public static (ModulePart Part, Size Size) Vector(string name, string value, string axes, long count) => (Part(name, value, axes), new Size(count));

    /// <summary>The lines of their fields.</summary>
    public static IEnumerable<string> Fields(IEnumerable<ModulePart> vectors) =>
        vectors.Select((v, i) => $"private Parameter {v.Name};  // {v.Axes}{(i == 0 ? "; to() puts a new parameter in its place" : "")}");

    private static ModulePart Part(string name, string value, string axes) => ModulePart.Parameter(name, value, axes);
}
