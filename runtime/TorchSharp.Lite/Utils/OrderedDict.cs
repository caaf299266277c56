using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace TorchSharp.Utils;

/// <summary>A dictionary that keeps the order of insertion and can be read by position as well as by key.</summary>
public class OrderedDict<TKey, TValue> : IDictionary<TKey, TValue>, IList<(TKey, TValue)>
    where TKey : notnull
{
    private readonly List<(TKey Key, TValue Value)> entries = [];
    private readonly Dictionary<TKey, TValue> values_ = [];

    public int Count => entries.Count;
    public bool IsReadOnly => false;
    public ICollection<TKey> Keys => entries.ConvertAll(e => e.Key);
    public ICollection<TValue> Values => entries.ConvertAll(e => e.Value);

    public (TKey, TValue) this[int index]
    {
        get => entries[index];
        set
        {
            TKey old = entries[index].Key;
            if (!old.Equals(value.Item1))
            {
                values_.Add(value.Item1, value.Item2);
                values_.Remove(old);
            }
            values_[value.Item1] = value.Item2;
            entries[index] = value;
        }
    }

    public TValue this[TKey key]
    {
        get => values_[key];
        set
        {
            int index = Position(key);
            if (index < 0) entries.Add((key, value));
            else entries[index] = (key, value);
            values_[key] = value;
        }
    }

    public IEnumerable<TKey> keys() => Keys;
    public IEnumerable<TValue> values() => Values;
    public IEnumerator<(TKey, TValue)> items() => GetEnumerator();
    public void clear() => Clear();

    public void Clear()
    {
        entries.Clear();
        values_.Clear();
    }

    public void Add(TKey key, TValue value) => Insert(entries.Count, (key, value));
    public void Add((TKey, TValue) item) => Insert(entries.Count, item);
    public void Add(KeyValuePair<TKey, TValue> item) => Insert(entries.Count, (item.Key, item.Value));

    public void Insert(int index, (TKey, TValue) item)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)index, (uint)entries.Count, nameof(index));
        values_.Add(item.Item1, item.Item2);
        entries.Insert(index, item);
    }

    public bool Remove(TKey key)
    {
        int index = Position(key);
        if (index < 0) return false;
        RemoveAt(index);
        return true;
    }

    public bool Remove((TKey, TValue) item)
    {
        int index = IndexOf(item);
        if (index < 0) return false;
        RemoveAt(index);
        return true;
    }

    public bool Remove(KeyValuePair<TKey, TValue> item) => Remove((item.Key, item.Value));

    public void RemoveAt(int index)
    {
        values_.Remove(entries[index].Key);
        entries.RemoveAt(index);
    }

    public bool ContainsKey(TKey key) => values_.ContainsKey(key);
    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value) => values_.TryGetValue(key, out value);
    public bool Contains((TKey, TValue) item) => IndexOf(item) >= 0;
    public bool Contains(KeyValuePair<TKey, TValue> item) => Contains((item.Key, item.Value));
    public int IndexOf((TKey, TValue) item) => entries.IndexOf(item);
    public void CopyTo((TKey, TValue)[] array, int arrayIndex) => entries.CopyTo(array, arrayIndex);

    public void CopyTo(KeyValuePair<TKey, TValue>[] array, int arrayIndex)
    {
        foreach (var (key, value) in entries) array[arrayIndex++] = new(key, value);
    }

    public IEnumerator<(TKey, TValue)> GetEnumerator() => entries.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    IEnumerator<KeyValuePair<TKey, TValue>> IEnumerable<KeyValuePair<TKey, TValue>>.GetEnumerator() =>
        entries.Select(e => KeyValuePair.Create(e.Key, e.Value)).GetEnumerator();

    private int Position(TKey key) => values_.ContainsKey(key) ? entries.FindIndex(e => e.Key.Equals(key)) : -1;
}
