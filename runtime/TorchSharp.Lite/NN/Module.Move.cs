using System.Reflection;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            protected DeviceType _deviceType = DeviceType.CPU;
            protected int _deviceIndex = -1;

            // One move of a whole tree: a tensor that two modules share stays shared.
            [ThreadStatic] private static Dictionary<Tensor, Tensor>? replacements;

            protected internal virtual Module _to(Device device, ScalarType dtype, bool non_blocking)
            {
                Move(dtype, device, non_blocking);
                return this;
            }

            protected internal virtual Module _to(DeviceType deviceType, int deviceIndex, bool non_blocking)
            {
                Move(null, new Device(deviceType, deviceIndex), non_blocking);
                return this;
            }

            protected internal virtual Module _to(ScalarType dtype, bool non_blocking)
            {
                Move(dtype, null, non_blocking);
                return this;
            }

            public Module _to(Tensor other, bool non_blocking) => _to(other.device, other.dtype, non_blocking);

            protected void _toEpilog(Device device, ScalarType dtype, bool non_blocking) => _toEpilog(dtype, device, non_blocking);

            protected void _toEpilog(DeviceType deviceType, int deviceIndex, bool non_blocking) => _toEpilog(null, new Device(deviceType, deviceIndex), non_blocking);

            protected void _toEpilog(ScalarType dtype, bool non_blocking) => _toEpilog(dtype, null, non_blocking);

            /// <summary>Moves or converts this module's own tensors and its children's, and puts the new ones into the fields that held the old.</summary>
            protected virtual void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
            {
                foreach (Module child in children())
                {
                    if (dtype is { } both && device is not null) child._to(device, both, non_blocking);
                    else if (device is not null) child._to(device.type, device.index, non_blocking);
                    else if (dtype is { } type) child._to(type, non_blocking);
                }
                foreach ((string key, Parameter parameter) in _internal_params.ToArray<(string, Parameter)>())
                    if (Replaced(parameter, dtype, device, non_blocking) is Parameter moved)
                    {
                        _internal_params[key] = moved;
                        WriteBack(parameter, moved);
                    }
                foreach ((string key, (Tensor buffer, bool persistent)) in _internal_buffers.ToArray<(string, (Tensor, bool))>())
                    if (Replaced(buffer, dtype, device, non_blocking) is { } moved)
                    {
                        _internal_buffers[key] = (moved, persistent);
                        WriteBack(buffer, moved);
                    }
                if (device is null) return;
                _deviceType = device.type;
                _deviceIndex = device.index;
            }

            protected static (Device device, ScalarType dtype) GetDefaultDeviceAndType(Device? device = null, ScalarType? dtype = null) =>
                (device ?? get_default_device(), dtype ?? get_default_dtype());

            private void Move(ScalarType? dtype, Device? device, bool non_blocking)
            {
                if (device is { type: DeviceType.CUDA } && !cuda.is_available())
                    throw new InvalidOperationException("CUDA is not available.");
                if (replacements is not null)
                {
                    _toEpilog(dtype, device, non_blocking);
                    return;
                }
                replacements = new Dictionary<Tensor, Tensor>(ReferenceEqualityComparer.Instance);
                try
                {
                    _toEpilog(dtype, device, non_blocking);
                    foreach (Tensor old in replacements.Keys) old.Dispose();
                }
                finally
                {
                    replacements = null;
                }
            }

            /// <summary>The tensor in its new place, or null where it is already there.</summary>
            private static Tensor? Replaced(Tensor tensor, ScalarType? dtype, Device? device, bool non_blocking)
            {
                if (replacements is not null && replacements.TryGetValue(tensor, out Tensor? known)) return known;
                if (!Converts(tensor.dtype, dtype)) dtype = null;
                bool elsewhere = device is not null && (device.type != tensor.device_type || (device.index >= 0 && device.index != tensor.device_index));
                if (!elsewhere && (dtype is null || dtype == tensor.dtype)) return null;

                using var noGrad = no_grad();
                using var scope = NewDisposeScope();
                Tensor Moved(Tensor from) => from.to(dtype ?? from.dtype, device ?? from.device, non_blocking: non_blocking);
                Tensor moved = Moved(tensor);
                if (tensor is Parameter parameter)
                {
                    var replacement = new Parameter(moved, parameter.requires_grad);
                    if (parameter.grad is { } gradient) replacement.grad = Moved(gradient);
                    moved = replacement;
                }
                moved.DetachFromDisposeScope();
                replacements?.Add(tensor, moved);
                return moved;
            }

            // A change of precision leaves counters and masks alone.
            private static bool Converts(ScalarType from, ScalarType? to) => to is { } target && IsReal(from) == IsReal(target) && IsReal(from);

            private static bool IsReal(ScalarType type) => type is ScalarType.Float16 or ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16
                or ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64;

            private void WriteBack(Tensor old, Tensor replacement)
            {
                foreach (FieldInfo field in FieldsOf(GetType()))
                    if (ReferenceEquals(field.GetValue(this), old)) field.SetValue(this, replacement);
            }
        }
    }
}
