namespace System.Runtime.CompilerServices;

/// <summary>What the compiler asks for in records on netstandard2.0.</summary>
internal static class IsExternalInit
{
}
