using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace TorchSharp.Native;

/// <summary>One argument of an operator called by name: made by the implicit conversions.</summary>
internal readonly struct Arg
{
    internal readonly object? Object;
    internal readonly Number Number;

    private Arg(Number number) => Number = number;
    private Arg(object? value) => Object = value;

    public static implicit operator Arg(torch.Tensor? value) => new((object?)value);
    public static implicit operator Arg(Scalar? value) => new((Number)value);
    public static implicit operator Arg(int value) => (long)value;
    public static implicit operator Arg(long value) => new(new Number(1, value, 0));
    public static implicit operator Arg(long? value) => value is { } given ? given : default(Arg);
    public static implicit operator Arg(int? value) => value is { } given ? given : default(Arg);
    public static implicit operator Arg(double value) => new(new Number(2, 0, value));
    public static implicit operator Arg(double? value) => value is { } given ? given : default(Arg);
    public static implicit operator Arg(bool value) => new(new Number(3, value ? 1 : 0, 0));
    public static implicit operator Arg(bool? value) => value is { } given ? given : default(Arg);
    public static implicit operator Arg(torch.ScalarType value) => (long)value;
    public static implicit operator Arg(torch.ScalarType? value) => value is { } given ? given : default(Arg);
    public static implicit operator Arg(string? value) => new((object?)value);
    public static implicit operator Arg(long[]? value) => new((object?)value);
    public static implicit operator Arg(double[]? value) => new((object?)value);
    public static implicit operator Arg(torch.Tensor[]? value) => new((object?)value);
    public static implicit operator Arg(torch.Device? value) => new((object?)value);
    public static implicit operator Arg(torch.Generator? value) => new((object?)value);
}

/// <summary>
/// An operator found by name at first use and called through libtorch's dispatcher: the long tail that has no export of its
/// own. Arguments left out at the end take the schema's defaults.
/// </summary>
internal sealed unsafe class Op(string name, string overload = "")
{
    private nint found;

    internal string Name => overload.Length == 0 ? name : $"{name}.{overload}";

    /// <summary>Whether the libtorch that is loaded has the operator.</summary>
    internal bool Exists => Find() != 0;

    internal torch.Tensor Call(params ReadOnlySpan<Arg> arguments)
    {
        nint result = 0;
        Invoke(arguments, &result, 1);
        return torch.Tensor.Made(result);
    }

    internal (torch.Tensor, torch.Tensor) Call2(params ReadOnlySpan<Arg> arguments)
    {
        nint* results = stackalloc nint[2];
        Invoke(arguments, results, 2);
        return (torch.Tensor.Made(results[0]), torch.Tensor.Made(results[1]));
    }

    internal (torch.Tensor, torch.Tensor, torch.Tensor) Call3(params ReadOnlySpan<Arg> arguments)
    {
        nint* results = stackalloc nint[3];
        Invoke(arguments, results, 3);
        return (torch.Tensor.Made(results[0]), torch.Tensor.Made(results[1]), torch.Tensor.Made(results[2]));
    }

    internal (torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor) Call4(params ReadOnlySpan<Arg> arguments)
    {
        nint* results = stackalloc nint[4];
        Invoke(arguments, results, 4);
        return (torch.Tensor.Made(results[0]), torch.Tensor.Made(results[1]), torch.Tensor.Made(results[2]), torch.Tensor.Made(results[3]));
    }

    internal torch.Tensor[] CallList(params ReadOnlySpan<Arg> arguments) =>
        Array.ConvertAll(torch.Tensor.TakeList(Invoke(arguments, null, 0)), each => each!);

    /// <summary>An in-place operator: its first argument, changed.</summary>
    internal torch.Tensor Change(params ReadOnlySpan<Arg> arguments)
    {
        Invoke(arguments, null, -1);
        return (torch.Tensor)arguments[0].Object!;
    }

    private nint Find()
    {
        if (found != 0)
            return found;
        fixed (byte* utf8 = Encoding.UTF8.GetBytes("aten::" + name + "\0"), kind = Encoding.UTF8.GetBytes(overload + "\0"))
            found = LibTorch.lt_find_operator(utf8, kind);
        if (found == 0)
            Errors.Last();
        return found;
    }

    private long Invoke(ReadOnlySpan<Arg> arguments, nint* results, long room)
    {
        nint op = Find();
        if (op == 0)
            throw new NotSupportedException($"libtorch {torch.__version__} has no operator aten::{Name}.");
        Argument* native = stackalloc Argument[arguments.Length];
        var pinned = new List<GCHandle>();
        try
        {
            for (int k = 0; k < arguments.Length; k++)
                Marshal(arguments[k], out native[k], pinned);
            long count = Errors.Check(LibTorch.lt_call_operator(op, native, arguments.Length, results, room));
            foreach (Arg each in arguments)
                GC.KeepAlive(each.Object);
            return count;
        }
        finally
        {
            foreach (GCHandle each in pinned)
                each.Free();
        }
    }

    private static void Marshal(Arg argument, out Argument native, List<GCHandle> pinned)
    {
        native = new Argument { Kind = argument.Number.Kind, I = argument.Number.I, D = argument.Number.D };
        switch (argument.Object)
        {
            case null:
                break;
            case torch.Tensor tensor:
                native.Kind = 5;
                native.P = (void*)tensor.Handle;
                break;
            case long[] integers:
                Pin(integers, 6, integers.Length, ref native, pinned);
                break;
            case torch.Tensor[] tensors:
                Pin(torch.Tensor.HandlesOf(tensors), 7, tensors.Length, ref native, pinned);
                break;
            case string text:
                byte[] utf8 = Encoding.UTF8.GetBytes(text);
                Pin(utf8, 8, utf8.Length, ref native, pinned);
                break;
            case torch.Device device:
                native.Kind = 9;
                native.I = (long)device.type;
                native.D = device.index;
                break;
            case torch.Generator generator:
                native.Kind = 10;
                native.P = (void*)generator.Handle;
                break;
            case double[] reals:
                Pin(reals, 11, reals.Length, ref native, pinned);
                break;
        }
    }

    private static void Pin(Array array, long kind, int length, ref Argument native, List<GCHandle> pinned)
    {
        GCHandle handle = GCHandle.Alloc(array, GCHandleType.Pinned);
        pinned.Add(handle);
        native.Kind = kind;
        native.I = length;
        native.P = (void*)handle.AddrOfPinnedObject();
    }
}
