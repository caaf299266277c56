using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A source of random numbers.</summary>
    public class Generator : IDisposable
    {
        private nint handle;

        /// <summary>A generator of its own, seeded with seed.</summary>
        public Generator(ulong seed = 0, Device? device = null)
        {
            this.device = device ?? torch.CPU;
            handle = LibTorch.lt_new_generator(seed, (int)this.device.type, this.device.index);
            if (handle == 0)
                Errors.Throw();
        }

        private Generator(nint handle, Device device)
        {
            if (handle == 0)
                Errors.Throw();
            this.handle = handle;
            this.device = device;
        }

        ~Generator() => Dispose(false);

        /// <summary>The CPU's default generator: what functions use that are given none.</summary>
        public static Generator Default => Of(torch.CPU);

        internal static Generator Of(Device device) => new(LibTorch.lt_default_generator((int)device.type, device.index), device);

        public Device device { get; private set; }

        public IntPtr Handle => handle != 0 ? handle : throw new ObjectDisposedException(nameof(Generator));

        public Generator manual_seed(long seed)
        {
            Errors.Check(LibTorch.lt_generator_set_seed(Handle, seed));
            GC.KeepAlive(this);
            return this;
        }

        /// <summary>Seeds from the system's entropy and returns the seed.</summary>
        public unsafe long seed()
        {
            long result;
            Errors.Check(LibTorch.lt_generator_seed(Handle, &result));
            GC.KeepAlive(this);
            return result;
        }

        public long initial_seed()
        {
            long result = LibTorch.lt_generator_initial_seed(Handle);
            GC.KeepAlive(this);
            return result;
        }

        public Tensor get_state() => Tensor.Made(LibTorch.lt_generator_get_state(Handle), this);

        public void set_state(Tensor value)
        {
            Errors.Check(LibTorch.lt_generator_set_state(Handle, value.Handle));
            GC.KeepAlive(this);
            GC.KeepAlive(value);
        }

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            nint gone = handle;
            handle = 0;
            if (gone != 0)
                LibTorch.lt_dispose_generator(gone);
        }
    }

    internal static nint HandleOf(Generator? generator) => generator is null ? 0 : generator.Handle;

    /// <summary>Seeds every default generator, CUDA's too where there is one.</summary>
    public static Generator manual_seed(long seed) => random.manual_seed(seed);
    public static long seed() => random.seed();
    public static long initial_seed() => random.initial_seed();
    public static Tensor get_rng_state() => random.get_rng_state();
    public static void set_rng_state(Tensor new_state) => random.set_rng_state(new_state);

    public static class random
    {
        public static Generator manual_seed(long seed)
        {
            Errors.Check(LibTorch.lt_manual_seed(seed));
            return Generator.Default;
        }

        public static long seed()
        {
            using Generator generator = Generator.Default;
            return generator.seed();
        }

        public static long initial_seed()
        {
            using Generator generator = Generator.Default;
            return generator.initial_seed();
        }

        /// <summary>The CPU generator's state, a tensor of bytes.</summary>
        public static Tensor get_rng_state()
        {
            using Generator generator = Generator.Default;
            return generator.get_state();
        }

        public static void set_rng_state(Tensor new_state)
        {
            using Generator generator = Generator.Default;
            generator.set_state(new_state);
        }
    }
}
