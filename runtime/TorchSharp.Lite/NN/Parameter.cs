namespace TorchSharp.Modules
{
    /// <summary>A leaf tensor that a module learns.</summary>
    public class Parameter : torch.Tensor
    {
        /// <param name="data">Its storage becomes the parameter's; the object <paramref name="data"/> is no longer usable afterwards.</param>
        /// <param name="requires_grad">Whether gradients are collected for it.</param>
        public Parameter(torch.Tensor data, bool requires_grad = true) : base(Take(data, requires_grad))
        {
        }

        private static IntPtr Take(torch.Tensor data, bool requires_grad)
        {
            ArgumentNullException.ThrowIfNull(data);
            using torch.Tensor leaf = data.detach();
            data.Dispose();
            leaf.requires_grad = requires_grad;
            return leaf.DecoupleFromNativeHandle();
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Parameter Parameter(Tensor data, bool requires_grad = true) => new(data, requires_grad);
        }
    }
}
