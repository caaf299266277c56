namespace Memory.Gen.Runtime.Operators;

/// <summary>How exactly the products of float32 matrices are computed.</summary>
public enum MatmulPrecision
{
    /// <summary>In float32.</summary>
    Float32 = 0,

    /// <summary>Operands are rounded to bfloat16 (to the nearest, ties to even) and their products summed in float32: relative error 0.004 in half the time, on a CPU with AMX in a half to a quarter of it.</summary>
    BFloat16 = 1,
}
