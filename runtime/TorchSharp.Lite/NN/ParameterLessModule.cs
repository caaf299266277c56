namespace TorchSharp.Modules;

public interface IParameterLessModule
{
}

/// <summary>A module without anything to learn, keep or move.</summary>
public abstract class ParameterLessModule<T1, TResult> : torch.nn.Module<T1, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, torch.Tensor tensor, bool persistent = true) => throw Refused("buffers");
    public override void register_parameter(string name, Parameter param) => throw Refused("parameters");
    public override void register_module(string name, torch.nn.Module submodule) => throw Refused("submodules");

    protected internal override torch.nn.Module _to(torch.Device device, torch.ScalarType dtype, bool non_blocking) => this;
    protected internal override torch.nn.Module _to(DeviceType deviceType, int deviceIndex, bool non_blocking) => this;
    protected internal override torch.nn.Module _to(torch.ScalarType dtype, bool non_blocking) => this;

    private InvalidOperationException Refused(string what) => new($"{GetName()} has nothing to learn or keep: it cannot hold {what}.");
}
