using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What is asked of devices.</summary>
internal static class Devices
{
    /// <summary>Whether it is the device of that kind and number. A number below 0 is that of whichever is current, and goes with any.</summary>
    public static bool Is(this Device device, DeviceType type, int index) =>
        device.type == type && (device.index == index || device.index < 0 || index < 0);
}
