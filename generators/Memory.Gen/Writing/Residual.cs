namespace Memory.Gen.Generators.Writing;

/// <summary>Writes what a memory inside another layer tells it beside its output: how far what a token writes is from what its key recalled before.</summary>
internal static class Residual
{
    /// <summary>The result of its forward.</summary>
    public static string Result(bool residual) => residual ? "(Tensor, Tensor)" : "Tensor";

    /// <summary>The line that measures it, before the state moves on.</summary>
    /// <param name="values">What is written.</param>
    /// <param name="keys">Under what.</param>
    /// <param name="state">Field of the state it is written into.</param>
    /// <param name="read">The memory's operator, its queries <c>next</c>.</param>
    /// <param name="formula">Its formula.</param>
    public static string Line(string values, string keys, string state, string read, string formula = "1 - cos(v_t, S_{t-1}^T k_t)") =>
        $"Tensor e = Innovation.Residual({keys}, {values}, state?.{state}.Value, next => {read}.Output);  // [B, T], {formula}";

    /// <summary>The line that returns the output, a projection of <paramref name="y"/>, and it.</summary>
    public static string Return(string y, bool residual) => residual
        ? $"return (Projection.Apply({y}, output).MoveToOuterDisposeScope(), e.MoveToOuterDisposeScope());  // [B, T, D], [B, T]"
        : $"return Projection.Apply({y}, output).MoveToOuterDisposeScope();  // [B, T, D]";
}
