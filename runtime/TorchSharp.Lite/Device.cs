using System.Globalization;

namespace TorchSharp;

/// <summary>Where a tensor lives; values are libtorch's own.</summary>
public enum DeviceType
{
    CPU = 0,
    CUDA = 1,
    MKLDNN = 2,
    OPENGL = 3,
    OPENCL = 4,
    IDEEP = 5,
    HIP = 6,
    FPGA = 7,
    MSNPU = 8,
    XLA = 9,
    MPS = 13,
    META = 14,
}

public static partial class torch
{
    public static readonly Device CPU = new(DeviceType.CPU);
    public static readonly Device META = new(DeviceType.META);
    private static Device default_device = CPU;

    public static Device CUDA => new(DeviceType.CUDA);
    public static Device MPS => new(DeviceType.MPS);

    /// <summary>A device type and the number of the device; -1 means the current one.</summary>
    public class Device
    {
        public Device(string description)
        {
            ArgumentNullException.ThrowIfNull(description);
            int colon = description.IndexOf(':');
            type = Parse(colon < 0 ? description : description[..colon], description);
            index = colon < 0 ? -1
                : int.TryParse(description[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
                : throw new ArgumentException($"'{description}' is no device: after the colon stands its number, as in 'cuda:0'.", nameof(description));
            index = Normalized(type, index);
        }

        public Device(string deviceType, int index = -1)
        {
            type = Parse(deviceType, deviceType);
            this.index = Normalized(type, index);
        }

        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = Normalized(deviceType, index);
        }

        public Device(int index) : this(DeviceType.CUDA, index)
        {
        }

        public DeviceType type { get; }
        public int index { get; }

        public static implicit operator Device(string description) => new(description);

        public override string ToString()
        {
            string name = type.ToString().ToLowerInvariant();
            return index < 0 ? name : $"{name}:{index.ToString(CultureInfo.InvariantCulture)}";
        }

        private static int Normalized(DeviceType type, int index) => type is DeviceType.CPU or DeviceType.META ? -1 : index;

        private static DeviceType Parse(string name, string whole) =>
            Enum.TryParse(name, ignoreCase: true, out DeviceType type) && Enum.IsDefined(type) && !char.IsAsciiDigit(name[0])
                ? type
                : throw new ArgumentException($"'{whole}' is no device; 'cpu', 'cuda', 'cuda:0' and 'meta' are.", nameof(name));
    }

    public static Device device(string description) => new(description);
    public static Device device(string deviceType, int index = -1) => new(deviceType, index);
    public static Device device(DeviceType deviceType, int index = -1) => new(deviceType, index);
    public static Device device(int index) => new(index);

    public static void set_default_device(Device device) => default_device = device ?? throw new ArgumentNullException(nameof(device));
    public static void set_default_device(string device) => set_default_device(new Device(device));
    public static Device get_default_device() => default_device;

    /// <summary>The device given, or the default one where none was.</summary>
    public static Device InitializeDevice(Device? device) => device ?? default_device;

    public static void InitializeDeviceType(DeviceType deviceType)
    {
        if (!TryInitializeDeviceType(deviceType))
            throw new InvalidOperationException(
                $"The libtorch that is loaded ({__version__}) has no {deviceType} device on this machine; use CPU, or set LIBTORCH to one built for {deviceType}.");
    }

    public static bool TryInitializeDeviceType(DeviceType deviceType) => deviceType switch
    {
        DeviceType.CPU or DeviceType.META => true,
        DeviceType.CUDA => cuda.is_available(),
        _ => false,
    };
}
