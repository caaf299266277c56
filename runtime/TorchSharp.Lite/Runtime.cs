using System.Runtime.InteropServices;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>The version of the libtorch that the native library was built against.</summary>
    public static unsafe string __version__ => Marshal.PtrToStringUTF8((nint)LibTorch.lt_version())!;

    public static void set_num_threads(int num) => Errors.Check(LibTorch.lt_set_num_threads(num));
    public static int get_num_threads() => LibTorch.lt_get_num_threads();
    public static void set_num_interop_threads(int num) => Errors.Check(LibTorch.lt_set_num_interop_threads(num));
    public static int get_num_interop_threads() => LibTorch.lt_get_num_interop_threads();

    /// <summary>Throws libtorch's last error on this thread, if there is one.</summary>
    public static void CheckForErrors()
    {
        if (Errors.Last() is { } error)
            throw error;
    }

    public static bool cuda_is_available() => cuda.is_available();
    public static bool mps_is_available() => false;

    public static class cuda
    {
        public static bool is_available() => LibTorch.lt_cuda_is_available() != 0 && device_count() > 0;
        public static bool is_cudnn_available() => LibTorch.lt_cudnn_is_available() != 0;
        public static int device_count() => LibTorch.lt_cuda_device_count();

        public static void manual_seed(long seed)
        {
            if (!is_available())
                return;
            using Generator generator = Generator.Of(CUDA);
            generator.manual_seed(seed);
        }

        public static void manual_seed_all(long seed)
        {
            for (int k = 0, count = device_count(); k < count; k++)
            {
                using Generator generator = Generator.Of(new Device(DeviceType.CUDA, k));
                generator.manual_seed(seed);
            }
        }

        /// <summary>Waits until the device has done all work that was given to it.</summary>
        public static void synchronize(Device? device = null)
        {
            InitializeDeviceType(DeviceType.CUDA);
            Errors.Check(LibTorch.lt_cuda_synchronize(device?.index ?? -1));
        }
    }

    public static class backends
    {
        public static class cuda
        {
            public static class matmul
            {
                public static bool allow_tf32
                {
                    get => Precision(0, null);
                    set => Precision(0, value);
                }

                public static bool allow_fp16_reduced_precision_reduction
                {
                    get => Precision(2, null);
                    set => Precision(2, value);
                }
            }
        }

        public static class cudnn
        {
            public static bool allow_tf32
            {
                get => Precision(1, null);
                set => Precision(1, value);
            }
        }

        private static bool Precision(int which, bool? value) =>
            Errors.Check((long)LibTorch.lt_precision(which, value is { } on ? on ? 1 : 0 : -1)) != 0;
    }
}
