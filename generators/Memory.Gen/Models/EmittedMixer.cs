using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>A mixer with the names that its types have in the file.</summary>
internal sealed record EmittedMixer(MixerUse Use, MixerEmitter Emitter, string Module, string State)
{
    public char Letter => Use.Spec.Letter;

    /// <summary>The mixers of a model; two that would share a name get their letters behind it.</summary>
    public static EmittedMixer[] Of(ModelSpec model)
    {
        (MixerUse Use, MixerEmitter Emitter)[] mixers =
            model.Mixers.Select(m => (m, MemoryKinds.Of(m.Kind).Emitter(m.Spec, model.Dim))).ToArray();
        return mixers.Select(m =>
        {
            bool shared = mixers.Count(other => other.Emitter.ModuleName == m.Emitter.ModuleName) > 1;
            string suffix = shared ? m.Use.Spec.Letter.ToString() : "";
            return new EmittedMixer(m.Use, m.Emitter, m.Emitter.ModuleName + suffix, m.Emitter.StateName + suffix);
        }).ToArray();
    }

    /// <summary>The names of the private types in the file.</summary>
    public static IEnumerable<string> Names(IEnumerable<EmittedMixer> mixers) => mixers.SelectMany(m => new[] { m.Module, m.State });
}
