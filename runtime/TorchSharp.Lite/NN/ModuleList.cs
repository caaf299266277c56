using System.Collections;

namespace TorchSharp.Modules
{
    /// <summary>Modules in a list, registered as "0", "1", ...</summary>
    public class ModuleList<T> : torch.nn.Module, IList<T> where T : torch.nn.Module
    {
        private readonly List<T> list = [];

        public ModuleList(params T[] modules) : base("ModuleList") => extend(modules);

        public int Count => list.Count;
        public bool IsReadOnly => false;

        public T this[int index]
        {
            get => list[index];
            set
            {
                list[index] = value;
                Number();
            }
        }

        public void append(params T[] parameters) => extend(parameters);

        public void extend(IEnumerable<T> modules)
        {
            list.AddRange(modules);
            Number();
        }

        public void Add(T item) => Insert(list.Count, item);

        public void Insert(int index, T item)
        {
            list.Insert(index, item);
            Number();
        }

        public bool Remove(T item)
        {
            bool removed = list.Remove(item);
            Number();
            return removed;
        }

        public void RemoveAt(int index)
        {
            list.RemoveAt(index);
            Number();
        }

        public void Clear()
        {
            list.Clear();
            Number();
        }

        public bool Contains(T item) => list.Contains(item);
        public int IndexOf(T item) => list.IndexOf(item);
        public void CopyTo(T[] array, int arrayIndex) => list.CopyTo(array, arrayIndex);
        public IEnumerator<T> GetEnumerator() => list.GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        // Children are registered when they are added; the list itself is no component.
        protected override void RegisterComponents()
        {
        }

        private void Number()
        {
            ClearModules();
            for (int i = 0; i < list.Count; i++) register_module($"{i}", list[i]);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.ModuleList<T> ModuleList<T>(params T[] modules) where T : Module => new(modules);
            public static Modules.ModuleList<Module> ModuleList(params Module[] modules) => new(modules);
        }
    }
}
