using System.Text;
using TorchSharp.Utils;

namespace TorchSharp.Modules;

/// <summary>The base of optimizers: parameter groups, and one state for each parameter.</summary>
public abstract class OptimizerHelper : torch.optim.Optimizer
{
    protected OptimizerOptions _defaults = null!;
    protected OrderedDict<IntPtr, OptimizerState> _state = [];

    public OptimizerHelper() : base(IntPtr.Zero)
    {
    }

    public override IEnumerable<Parameter> parameters() => base.parameters();

    public override void zero_grad() => base.zero_grad();

    public override void add_param_group(ParamGroup param_group)
    {
        // Enumerated at every step, so a lazy query is taken down once.
        param_group.Parameters = param_group.Parameters.ToList();
        base.add_param_group(param_group);
    }

    /// <summary>Moves the state of every parameter to a device.</summary>
    public void to(torch.Device device)
    {
        foreach (var (_, state) in _state) state.to(device);
    }

    /// <summary>Options and states. They are the optimizer's own, not copies.</summary>
    public virtual StateDictionary state_dict()
    {
        var result = new StateDictionary();
        foreach (ParamGroup group in _parameter_groups)
        {
            result.Options.Add(group.Options);
            List<int> indexes = [];
            foreach (Parameter parameter in group.Parameters)
            {
                indexes.Add(result.State.Count);
                result.State.Add(StateOf(parameter));
            }
            result.StateIndexRef.Add(indexes);
        }
        return result;
    }

    public virtual void load_state_dict(StateDictionary state_dict)
    {
        StateDictionary own = this.state_dict();
        CheckCounts(own, state_dict.Options.Count, state_dict.State.Count);
        for (int i = 0; i < own.Options.Count; i++)
            if (!ReferenceEquals(own.Options[i], state_dict.Options[i])) own.Options[i].LoadStateDict(state_dict.Options[i]);
        for (int i = 0; i < own.State.Count; i++)
            if (!ReferenceEquals(own.State[i], state_dict.State[i])) own.State[i].LoadStateDict(state_dict.State[i]);
    }

    public void save_state_dict(string location)
    {
        using var writer = new BinaryWriter(File.Create(location), Encoding.UTF8);
        save_state_dict(writer);
    }

    public void save_state_dict(BinaryWriter writer)
    {
        StateDictionary own = state_dict();
        writer.Write(GetType().Name);
        TensorFormat.WriteNumber(writer, own.Options.Count);
        TensorFormat.WriteNumber(writer, own.State.Count);
        foreach (OptimizerOptions options in own.Options) options.SaveStateDict(writer);
        foreach (OptimizerState state in own.State) state.SaveStateDict(writer);
    }

    public void load_state_dict(string location)
    {
        using var reader = new BinaryReader(File.OpenRead(location), Encoding.UTF8);
        load_state_dict(reader);
    }

    public void load_state_dict(BinaryReader reader)
    {
        string saved = reader.ReadString();
        if (saved != GetType().Name)
            throw new InvalidDataException($"Mismatched optimizer type: the file was saved by {saved}, this is {GetType().Name}.");
        StateDictionary own = state_dict();
        CheckCounts(own, TensorFormat.ReadNumber(reader), TensorFormat.ReadNumber(reader));
        foreach (OptimizerOptions options in own.Options) options.LoadStateDict(reader);
        foreach (OptimizerState state in own.State) state.LoadStateDict(reader);
    }

    /// <summary>Runs one update of every group, without gradients and without leaving temporaries.</summary>
    protected torch.Tensor? _step<T>(Action<T> body, Func<torch.Tensor>? loss_closure = null) where T : ParamGroup
    {
        torch.Tensor? loss = null;
        if (loss_closure is not null)
        {
            using var grad = torch.enable_grad();
            loss = loss_closure();
        }
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        foreach (ParamGroup group in _parameter_groups) body((T)group);
        return loss;
    }

    private protected OptimizerState StateOf(Parameter parameter) =>
        _state.TryGetValue(parameter.Handle, out OptimizerState? state)
            ? state
            : throw new InvalidOperationException("A parameter of this optimizer has been replaced since. Build the optimizer after moving or converting the module.");

    private protected void AddStates(ParamGroup group, Func<Parameter, OptimizerState> create)
    {
        foreach (Parameter parameter in group.Parameters)
        {
            OptimizerState state = create(parameter);
            state.Initialize(group.Options);
            _state[parameter.Handle] = state;
        }
    }

    private static void CheckCounts(StateDictionary own, long options, long states)
    {
        if (options != own.Options.Count)
            throw new ArgumentException($"Invalid optimizer state: it has {options} parameter groups, this optimizer {own.Options.Count}.");
        if (states != own.State.Count)
            throw new ArgumentException($"Invalid optimizer state: it has {states} parameters, this optimizer {own.State.Count}.");
    }
}
