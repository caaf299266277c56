using System.Diagnostics.CodeAnalysis;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The one place where an operator's arguments are checked, in order, each against those before it.</summary>
/// <remarks>
/// An axis is one capital letter: its size is bound by the first argument that has it. The first tensor decides dtype and
/// device; gates and states may also be in the accumulation dtype, which is float32 for the 16-bit types.
/// </remarks>
internal sealed class FrontDoor(string name)
{
    private readonly long[] sizes = NewSizes();
    private readonly string[] givers = new string[26];
    private string first = "";
    private ScalarType dtype;
    private Device? device;
    private bool packed;

    /// <summary>The dtype of states and sums.</summary>
    public ScalarType Accumulation => dtype.Wide();

    /// <summary>The dtype of the first argument, and of the output.</summary>
    public ScalarType Dtype => dtype;

    public Device Device => device!;

    public long this[char axis] => sizes[axis - 'A'];

    /// <summary>Sequences of the call, each with a state of its own: its rows, unless they are packed.</summary>
    public long Sequences => this[packed ? 'S' : 'B'];

    public void Bind(char axis, long size, string giver)
    {
        sizes[axis - 'A'] = size;
        givers[axis - 'A'] = giver;
    }

    /// <summary>A tensor in the dtype of the first argument.</summary>
    public void Value(string argument, Tensor? tensor, string axes) => Check(argument, tensor, axes, accumulationToo: false);

    /// <summary>The same for what libtorch computes with in that dtype, where it can.</summary>
    public void Factor(string argument, Tensor? tensor, string axes)
    {
        Value(argument, tensor, axes);
        HalfOnCpu.Refuse(name, $"{argument} is", tensor!);
    }

    /// <summary>A gate: in the dtype of the first argument or of accumulation.</summary>
    public void Gate(string argument, Tensor? tensor, string axes) => Check(argument, tensor, axes, accumulationToo: true);

    /// <summary>A state: in the dtype of accumulation; null is allowed and means zeros.</summary>
    /// <param name="argument">Its name.</param>
    /// <param name="tensor">The state.</param>
    /// <param name="axes">Its axes.</param>
    /// <param name="bfloat16Too">Whether bfloat16 inputs may have a bfloat16 state.</param>
    public void State(string argument, Tensor? tensor, string axes, bool bfloat16Too = false)
    {
        if (tensor is null) return;
        Check(argument, tensor, PerSequence(axes), accumulationToo: true);
        if (tensor.dtype != Accumulation && !(bfloat16Too && tensor.dtype == ScalarType.BFloat16))
        {
            throw new ArgumentException($"{name}: {argument} is {tensor.dtype}; a state of {dtype} inputs is {Accumulation}.", argument);
        }
    }

    /// <summary>Numbers on the same device, such as lengths.</summary>
    public void Integers(string argument, Tensor? tensor, string axes) => Typed(argument, tensor, ScalarType.Int64, axes);

    /// <summary>True or false on the same device.</summary>
    public void Flags(string argument, Tensor? tensor, string axes) => Typed(argument, tensor, ScalarType.Bool, axes);

    /// <summary>Segments of the tokens <c>[B, T, ...]</c> that were checked before; states are checked after it.</summary>
    /// <returns>Null where every row is one sequence.</returns>
    public SegmentLayout? Segments(Segments? segments)
    {
        if (segments is null) return null;
        string argument = $"segments.{segments.Argument}";
        if (segments.Dtype != segments.Expected)
        {
            throw new ArgumentException($"{name}: {argument} is {segments.Dtype}; expected {segments.Expected}.", nameof(segments));
        }

        CheckDevice(argument, segments.Device.type, segments.Device.index);
        packed = segments.Kind == SegmentKind.Packed;
        if (!packed) CheckShape(argument, segments.Shape, segments.Kind == SegmentKind.Skip ? "BT" : "B");
        else if (segments.Shape.Length != 1 || segments.Shape[0] == 0)
        {
            throw new ArgumentException($"{name}: {argument} has shape [{string.Join(", ", segments.Shape)}]; expected [S + 1] for S sequences.", nameof(segments));
        }
        else if (this['B'] != 1)
        {
            throw new ArgumentException($"{name}: {argument} packs sequences into one row, and {givers['B' - 'A']} has B = {this['B']}; expected 1.", nameof(segments));
        }

        if (segments.Problem(this['T']) is { } problem) throw new ArgumentException($"{name}: {argument} {problem}.", nameof(segments));
        if (packed) Bind('S', segments.Shape[0] - 1, argument);
        SegmentLayout layout = segments.Layout(this['B'], this['T']);
        return layout.IsWhole ? null : layout;
    }

    /// <summary>The axes of a tensor whose axis B counts sequences.</summary>
    public string PerSequence(string axes) => packed ? axes.Replace('B', 'S') : axes;

    public void Positive(string argument, long? value) => AtLeast(argument, value, 1);

    public void AtLeast(string argument, long? value, long least)
    {
        if (value < least)
        {
            throw new ArgumentOutOfRangeException(argument, value, $"{name}: {argument} is {value}; expected at least {least}.");
        }
    }

    public void Finite(string argument, double? value)
    {
        if (value is { } number && !double.IsFinite(number))
        {
            throw new ArgumentOutOfRangeException(argument, value, $"{name}: {argument} is {number}; expected a finite number.");
        }
    }

    /// <summary>Both must be known: a state that must be at least one wide cannot be made from nothing.</summary>
    public void AtLeastOne(char axis)
    {
        if (this[axis] < 1)
        {
            string giver = givers[axis - 'A'];
            throw new ArgumentException($"{name}: {giver} has size {this[axis]} along {axis}; expected at least 1.", giver);
        }
    }

    /// <summary>An argument that may not be null.</summary>
    public static void Required(string name, string argument, [NotNull] Tensor? tensor)
    {
        if (tensor is null) throw new ArgumentNullException(argument, $"{name}: {argument} is null.");
    }

    private void Check(string argument, Tensor? tensor, string axes, bool accumulationToo)
    {
        Alive(argument, tensor);
        if (device is null)
        {
            if (tensor.dtype is not (ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16 or ScalarType.Float16))
            {
                throw new ArgumentException($"{name}: {argument} is {tensor.dtype}; expected Float32, Float64, BFloat16 or Float16.", argument);
            }

            (first, dtype, device) = (argument, tensor.dtype, tensor.device);
        }
        else if (tensor.dtype != dtype && !(accumulationToo && tensor.dtype == Accumulation))
        {
            throw new ArgumentException($"{name}: {argument} is {tensor.dtype}; expected {dtype}, as {first} is.", argument);
        }

        CheckDevice(argument, tensor.device_type, tensor.device_index);
        CheckShape(argument, tensor.shape, axes);
    }

    private void Typed(string argument, Tensor? tensor, ScalarType expected, string axes)
    {
        Alive(argument, tensor);
        if (tensor.dtype != expected) throw new ArgumentException($"{name}: {argument} is {tensor.dtype}; expected {expected}.", argument);
        CheckDevice(argument, tensor.device_type, tensor.device_index);
        CheckShape(argument, tensor.shape, axes);
    }

    private void Alive(string argument, [NotNull] Tensor? tensor)
    {
        Required(name, argument, tensor);
        if (!tensor.IsInvalid) return;
        // A parameter goes with its layer: that is what was disposed, and not an argument of the call.
        throw tensor is TorchSharp.Modules.Parameter
            ? new ObjectDisposedException(name, $"{name}: {argument} was disposed, and the layer that it is a parameter of with it.")
            : new ArgumentException($"{name}: {argument} was disposed.", argument);
    }

    private void CheckDevice(string argument, DeviceType type, int index)
    {
        if (type != Device.type || index != Device.index)
        {
            throw new ArgumentException($"{name}: {argument} is on {new Device(type, index)}; expected {Device}, where {first} is.", argument);
        }
    }

    private void CheckShape(string argument, long[] shape, string axes)
    {
        bool fits = shape.Length == axes.Length;
        for (int i = 0; fits && i < axes.Length; i++) fits = this[axes[i]] is var size && (size < 0 || size == shape[i]);
        if (!fits) throw new ArgumentException(WrongShape(argument, shape, axes), argument);

        for (int i = 0; i < axes.Length; i++)
        {
            if (this[axes[i]] < 0) Bind(axes[i], shape[i], argument);
        }
    }

    private string WrongShape(string argument, long[] shape, string axes)
    {
        string names = string.Join(", ", axes.ToCharArray());
        string known = string.Join(", ", axes.Select(axis => this[axis] < 0 ? axis.ToString() : this[axis].ToString()));
        string givers = string.Join(", ", axes.Where(axis => this[axis] >= 0).Select(axis => this.givers[axis - 'A']).Distinct());
        string expected = givers.Length == 0 ? $"[{names}]" : $"[{names}] = [{known}], as given by {givers}";
        return $"{name}: {argument} has shape [{string.Join(", ", shape)}]; expected {expected}.";
    }

    private static long[] NewSizes()
    {
        var sizes = new long[26];
        Array.Fill(sizes, -1);
        return sizes;
    }
}
