using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            /// <summary>Builds a module and loads its weights from a file.</summary>
            public static Module Create<T>(string path) where T : Module, new() => new T().load(path);

            /// <summary>Parameters, then persistent buffers, by dotted name. The tensors are the module's own.</summary>
            public virtual Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
            {
                destination ??= [];
                string start = string.IsNullOrEmpty(prefix) ? "" : prefix + ".";
                foreach (var (key, parameter) in named_parameters()) destination.TryAdd(start + key, parameter);
                foreach (var (key, buffer) in named_buffers(include_nonpersistent: false)) destination.TryAdd(start + key, buffer);
                foreach (var (child, module) in _internal_submodules) module.state_dict(destination, start + child);
                return destination;
            }

            /// <summary>Copies values into this module's parameters and buffers.</summary>
            /// <param name="source">Values by dotted name.</param>
            /// <param name="strict">Whether a key that only one side has is an error.</param>
            /// <param name="skip">Keys left alone on both sides.</param>
            /// <returns>The keys this module lacks values for, and the keys it does not know.</returns>
            public virtual (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
            {
                ArgumentNullException.ThrowIfNull(source);
                Dictionary<string, Tensor> own = state_dict();
                bool Wanted(string key) => skip is null || !skip.Contains(key);
                List<string> missing = [.. own.Keys.Where(k => Wanted(k) && !source.ContainsKey(k))];
                List<string> unexpected = [.. source.Keys.Where(k => Wanted(k) && !own.ContainsKey(k))];
                if (strict && missing.Count + unexpected.Count > 0)
                    throw new InvalidOperationException($"The loaded state_dict does not fit {GetName()}: {Listed("missing", missing)}, {Listed("unexpected", unexpected)}. Pass strict: false to load what both have.");

                List<(Tensor From, Tensor To)> copies = [];
                foreach (var (key, value) in source)
                {
                    if (!Wanted(key) || !own.TryGetValue(key, out Tensor? target)) continue;
                    if (!target.shape.AsSpan().SequenceEqual(value.shape))
                        throw new ArgumentException($"'{key}' has shape [{string.Join(", ", value.shape)}] in the loaded state_dict; {GetName()} expects [{string.Join(", ", target.shape)}].");
                    copies.Add((value, target));
                }
                using var noGrad = no_grad();
                foreach (var (from, to) in copies) to.copy_(from);
                return (missing, unexpected);
            }

            public Module save(string location, IList<string>? skip = null)
            {
                using FileStream stream = File.Create(location);
                return save(stream, skip);
            }

            /// <summary>Writes the weights and closes the stream.</summary>
            public Module save(Stream stream, IList<string>? skip = null)
            {
                using var writer = new BinaryWriter(stream);
                return save(writer, skip);
            }

            public Module save(BinaryWriter writer, IList<string>? skip = null)
            {
                save_state_dict(writer, state_dict(), skip);
                return this;
            }

            /// <summary>Writes the count, then for each entry its key and its tensor.</summary>
            public static void save_state_dict(BinaryWriter writer, Dictionary<string, Tensor> sd, IList<string>? skip = null)
            {
                var entries = sd.Where(e => skip is null || !skip.Contains(e.Key)).ToList();
                TensorFormat.WriteNumber(writer, entries.Count);
                foreach (var (key, value) in entries)
                {
                    writer.Write(key);
                    TensorFormat.Write(writer, value);
                }
            }

            public virtual Module load(string location, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                if (!File.Exists(location)) throw new FileNotFoundException($"There is no file of weights at '{location}'.", location);
                using FileStream stream = File.OpenRead(location);
                return load(stream, strict, skip, loadedParameters);
            }

            /// <summary>Reads the weights and closes the stream.</summary>
            public Module load(Stream stream, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                using var reader = new BinaryReader(stream);
                return load(reader, strict, skip, loadedParameters);
            }

            /// <param name="reader">A stream that <c>save</c> wrote.</param>
            /// <param name="strict">Whether a key that only one side has is an error.</param>
            /// <param name="skip">Keys left alone on both sides.</param>
            /// <param name="loadedParameters">Receives, for each key of this module, whether the file had it.</param>
            public virtual Module load(BinaryReader reader, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                Dictionary<string, Tensor> own = state_dict();
                bool Wanted(string key) => skip is null || !skip.Contains(key);
                long count = TensorFormat.ReadNumber(reader);
                int wanted = own.Keys.Count(Wanted);
                if (strict && count != wanted)
                    throw new ArgumentException($"Mismatched state_dict sizes: {GetName()} expects {wanted} entries, the file has {count}.");
                if (loadedParameters is not null)
                    foreach (string key in own.Keys) loadedParameters[key] = false;

                using var noGrad = no_grad();
                for (long i = 0; i < count; i++)
                {
                    string key = reader.ReadString();
                    bool known = own.TryGetValue(key, out Tensor? target);
                    if (!known && strict && Wanted(key)) throw new ArgumentException($"Mismatched module state names: {GetName()} has no parameter or buffer named '{key}'.");
                    if (known && Wanted(key))
                    {
                        TensorFormat.ReadInto(reader, target!, key);
                        if (loadedParameters is not null) loadedParameters[key] = true;
                    }
                    else TensorFormat.Skip(reader);
                }
                return this;
            }

            private static string Listed(string what, List<string> keys) =>
                keys.Count == 0 ? $"nothing {what}" : $"{keys.Count} {what} ({string.Join(", ", keys.Take(8))}{(keys.Count > 8 ? ", ..." : "")})";
        }
    }
}
