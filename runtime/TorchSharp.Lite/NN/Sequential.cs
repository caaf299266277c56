using System.Runtime.CompilerServices;
using Layer = TorchSharp.torch.nn.IModule<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;
using LayerModule = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace TorchSharp.Modules
{
    /// <summary>Modules applied one after the other, registered as "0", "1", ... or under given names.</summary>
    public class Sequential : LayerModule
    {
        private readonly List<(string Name, Layer Module)> layers = [];

        protected internal Sequential(params (string name, LayerModule submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules) append(name, module);
        }

        protected internal Sequential(params LayerModule[] modules) : base(nameof(Sequential))
        {
            foreach (LayerModule module in modules) append(module);
        }

        public int Count => layers.Count;

        [IndexerName("SequentialItems")]
        public Layer this[int index] => layers[index].Module;

        [IndexerName("SequentialItems")]
        public Sequential this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);

        [IndexerName("SequentialItems")]
        public Sequential this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        public Sequential append(Layer module) => append($"{layers.Count}", module);

        public Sequential append(string name, Layer module)
        {
            register_module(name, (torch.nn.Module)module);
            layers.Add((name, module));
            return this;
        }

        public override torch.Tensor forward(torch.Tensor tensor)
        {
            if (layers.Count == 0) return tensor.alias();
            torch.Tensor result = layers[0].Module.call(tensor);
            for (int i = 1; i < layers.Count; i++)
            {
                torch.Tensor last = result;
                result = layers[i].Module.call(last);
                if (!ReferenceEquals(last, tensor) && !ReferenceEquals(last, result)) last.Dispose();
            }
            return result;
        }

        private Sequential Slice(int start, int end)
        {
            if (start < 0 || end > Count || start > end) throw new IndexOutOfRangeException($"Layers {start} to {end} were asked for; there are {Count}.");
            var slice = new Sequential(Array.Empty<LayerModule>());
            foreach (var (name, module) in layers[start..end]) slice.append(name, module);
            return slice;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Sequential Sequential() => new(Array.Empty<Module<Tensor, Tensor>>());
            public static Modules.Sequential Sequential(params (string name, Module<Tensor, Tensor> submodule)[] modules) => new(modules);
            public static Modules.Sequential Sequential(params Tuple<string, Module<Tensor, Tensor>>[] modules) => new([.. modules.Select(m => (m.Item1, m.Item2))]);
            public static Modules.Sequential Sequential(params Module<Tensor, Tensor>[] modules) => new(modules);
            public static Modules.Sequential Sequential(IEnumerable<(string name, Module<Tensor, Tensor> submodule)> modules) => new([.. modules]);
            public static Modules.Sequential Sequential(IEnumerable<Tuple<string, Module<Tensor, Tensor>>> modules) => new([.. modules.Select(m => (m.Item1, m.Item2))]);
            public static Modules.Sequential Sequential(IEnumerable<Module<Tensor, Tensor>> modules) => new([.. modules]);
        }
    }
}
