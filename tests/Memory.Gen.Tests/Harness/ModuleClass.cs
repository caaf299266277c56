namespace Memory.Gen.Tests.Harness;

/// <summary>A hand-written module to put fields into.</summary>
internal static class ModuleClass
{
    /// <summary>Its source, with these members.</summary>
    public static string With(string members) => $$"""
        using System.Collections.Generic;
        using TorchSharp;
        using TorchSharp.Modules;
        using static TorchSharp.torch;

        namespace Samples;

        public sealed class Stack() : nn.Module<Tensor, Tensor>("Stack")
        {
            {{members}}

            public override Tensor forward(Tensor x) => x;
        }

        """;
}
