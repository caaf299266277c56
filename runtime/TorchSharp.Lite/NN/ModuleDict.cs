using System.Collections;
using System.Diagnostics.CodeAnalysis;
using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>Modules by name, in the order of insertion.</summary>
    public class ModuleDict<T> : torch.nn.Module, IDictionary<string, T>, IList<(string, T)> where T : torch.nn.Module
    {
        private readonly OrderedDict<string, T> entries = [];

        public ModuleDict() : base("ModuleDict")
        {
        }

        public int Count => entries.Count;
        public bool IsReadOnly => false;
        public ICollection<string> Keys => entries.Keys;
        public ICollection<T> Values => entries.Values;

        public (string, T) this[int index]
        {
            get => entries[index];
            set
            {
                Unregister(entries[index].Item1);
                entries[index] = value;
                register_module(value.Item1, value.Item2);
            }
        }

        public T this[string key]
        {
            get => entries[key];
            set
            {
                Unregister(key);
                entries[key] = value;
                register_module(key, value);
            }
        }

        public IEnumerable<string> keys() => Keys;
        public IEnumerable<T> values() => Values;
        public IEnumerator<(string, T)> items() => GetEnumerator();
        public void clear() => Clear();

        public void Add(string key, T value) => Insert(Count, (key, value));
        public void Add((string, T) item) => Insert(Count, item);
        public void Add(KeyValuePair<string, T> item) => Insert(Count, (item.Key, item.Value));

        public void Insert(int index, (string, T) item)
        {
            register_module(item.Item1, item.Item2);
            entries.Insert(index, item);
        }

        public bool Remove(string key)
        {
            Unregister(key);
            return entries.Remove(key);
        }

        public bool Remove((string, T) item) => Contains(item) && Remove(item.Item1);
        public bool Remove(KeyValuePair<string, T> item) => Remove((item.Key, item.Value));
        public void RemoveAt(int index) => Remove(entries[index].Item1);

        public void Clear()
        {
            foreach (string key in Keys) Remove(key);
        }

        public bool ContainsKey(string key) => entries.ContainsKey(key);
        public bool Contains((string, T) item) => entries.TryGetValue(item.Item1, out T? value) && ReferenceEquals(value, item.Item2);
        public bool Contains(KeyValuePair<string, T> item) => Contains((item.Key, item.Value));
        public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => entries.TryGetValue(key, out value);
        public int IndexOf((string, T) item) => Contains(item) ? Keys.ToList().IndexOf(item.Item1) : -1;
        public void CopyTo((string, T)[] array, int arrayIndex) => entries.CopyTo(array, arrayIndex);
        public void CopyTo(KeyValuePair<string, T>[] array, int arrayIndex) => entries.CopyTo(array, arrayIndex);
        public IEnumerator<(string, T)> GetEnumerator() => entries.GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
        IEnumerator<KeyValuePair<string, T>> IEnumerable<KeyValuePair<string, T>>.GetEnumerator() => ((IEnumerable<KeyValuePair<string, T>>)entries).GetEnumerator();

        // Entries are registered when they are added.
        protected override void RegisterComponents()
        {
        }

        private void Unregister(string key) => register_module(key, null!);
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.ModuleDict<T> ModuleDict<T>(params (string, T)[] modules) where T : Module
            {
                var result = new Modules.ModuleDict<T>();
                foreach (var module in modules) result.Add(module);
                return result;
            }

            public static Modules.ModuleDict<Module> ModuleDict(params (string, Module)[] modules) => ModuleDict<Module>(modules);
        }
    }
}
