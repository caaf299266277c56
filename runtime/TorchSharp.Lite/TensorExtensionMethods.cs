using System.Globalization;
using System.Numerics;

namespace TorchSharp;

public static partial class TensorExtensionMethods
{
    /// <summary>Bytes of one element.</summary>
    public static int ElementSize(this torch.ScalarType type) => type switch
    {
        torch.ScalarType.Byte or torch.ScalarType.Int8 or torch.ScalarType.Bool or torch.ScalarType.QInt8 or torch.ScalarType.QUInt8 => 1,
        torch.ScalarType.Int16 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16 => 2,
        torch.ScalarType.Int32 or torch.ScalarType.Float32 or torch.ScalarType.QInt32 => 4,
        torch.ScalarType.Int64 or torch.ScalarType.Float64 or torch.ScalarType.ComplexFloat32 => 8,
        torch.ScalarType.ComplexFloat64 => 16,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "No such element type."),
    };

    public static ReadOnlySpan<int> IntShape(this torch.Tensor tensor) => Array.ConvertAll(tensor.shape, each => checked((int)each));

    public static long TotalSize(this IEnumerable<long> shape) => shape.Aggregate(1L, (product, each) => checked(product * each));

    public static float ToSingle(this torch.Tensor value) => value.item().ToSingle();
    public static double ToDouble(this torch.Tensor value) => value.item().ToDouble();
    public static Half ToHalf(this torch.Tensor value) => value.item().ToHalf();
    public static BFloat16 ToBFloat16(this torch.Tensor value) => value.item().ToBFloat16();
    public static sbyte ToSByte(this torch.Tensor value) => value.item().ToSByte();
    public static byte ToByte(this torch.Tensor value) => value.item().ToByte();
    public static short ToInt16(this torch.Tensor value) => value.item().ToInt16();
    public static int ToInt32(this torch.Tensor value) => value.item().ToInt32();
    public static long ToInt64(this torch.Tensor value) => value.item().ToInt64();
    public static bool ToBoolean(this torch.Tensor value) => value.item().ToBoolean();
    public static (float Real, float Imaginary) ToComplexFloat32(this torch.Tensor value) => value.item().ToComplexFloat32();
    public static Complex ToComplexFloat64(this torch.Tensor value) => value.item().ToComplexFloat64();
    public static (float Real, float Imaginary) ToComplex32(this torch.Tensor value) => value.ToComplexFloat32();
    public static Complex ToComplex64(this torch.Tensor value) => value.ToComplexFloat64();

    /// <summary>An array as a tensor of the given shape.</summary>
    public static torch.Tensor ToTensor<T>(this T[] rawArray, long[] dimensions, bool doCopy = false, bool requires_grad = false)
    {
        torch.Tensor flat = torch.from_array(rawArray, null, requires_grad: requires_grad);
        using torch.Tensor made = flat;
        return made.reshape(dimensions);
    }

    public static torch.Tensor ToTensor<T>(this T scalar, torch.Device? device = null, bool requires_grad = false) where T : struct =>
        torch.from_array(new[] { scalar }, null, device).reshape([]).requires_grad_(requires_grad);

    /// <summary>A parameter that takes over the tensor's storage; the tensor is no longer usable afterwards.</summary>
    public static Modules.Parameter AsParameter(this torch.Tensor tensor) => new(tensor);

    /// <summary>Writes the tensor in TorchSharp's own format.</summary>
    public static void Save(this torch.Tensor tensor, BinaryWriter writer) => Utils.TensorFormat.Write(writer, tensor);

    public static void Save(this torch.Tensor tensor, Stream stream)
    {
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        tensor.Save(writer);
    }

    public static void Save(this torch.Tensor tensor, string location)
    {
        using FileStream stream = File.Create(location);
        tensor.Save(stream);
    }

    /// <summary>Reads a tensor of the same type and shape into this one, or passes over it.</summary>
    public static void Load(this torch.Tensor tensor, BinaryReader reader, bool skip = false)
    {
        if (skip)
            Utils.TensorFormat.Skip(reader);
        else
            Utils.TensorFormat.ReadInto(reader, tensor, tensor.name ?? "tensor");
    }

    /// <summary>The same; where there is no tensor yet, a new one is made.</summary>
    public static void Load(ref torch.Tensor? tensor, BinaryReader reader, bool skip = false)
    {
        if (tensor is null && !skip)
            tensor = Utils.TensorFormat.Read(reader);
        else if (skip)
            Utils.TensorFormat.Skip(reader);
        else
            tensor!.Load(reader);
    }

    /// <summary>Reads a tensor, or passes over it and returns null.</summary>
    public static torch.Tensor? Load(this BinaryReader reader, bool skip = false)
    {
        if (!skip)
            return Utils.TensorFormat.Read(reader);
        Utils.TensorFormat.Skip(reader);
        return null;
    }

    /// <summary>Shape, type and device in one line.</summary>
    public static string metastr(this torch.Tensor tensor) =>
        $"[{string.Join("x", tensor.shape)}], type = {tensor.dtype}, device = {tensor.device}";

    public static string str(this torch.Tensor tensor, string? fltFormat = null, int? width = null, string? newLine = null, CultureInfo? cultureInfo = null, TensorStringStyle style = TensorStringStyle.Default) =>
        tensor.ToString(style, fltFormat, width, cultureInfo, newLine);

    public static string npstr(this torch.Tensor tensor, string? fltFormat = "g5", int? width = 100, string? newLine = null, CultureInfo? cultureInfo = null) =>
        tensor.ToString(TensorStringStyle.Numpy, fltFormat, width, cultureInfo, newLine);

    public static torch.Tensor print(this torch.Tensor t, string? fltFormat = "g5", int? width = 100, string? newLine = null, CultureInfo? cultureInfo = null, TensorStringStyle style = TensorStringStyle.Default)
    {
        Console.WriteLine(t.ToString(style, fltFormat, width, cultureInfo, newLine));
        return t;
    }
}
