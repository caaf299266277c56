using TorchSharp.Utils;

namespace TorchSharp.Modules;

/// <summary>Hyper-parameters of a group. Null: the optimizer's default is taken when the group is added.</summary>
public class OptimizerOptions
{
    public double? LearningRate { get; set; }
    public double InitialLearningRate { get; set; }

    public virtual void SaveStateDict(BinaryWriter writer)
    {
        writer.Write(InitialLearningRate);
        writer.Write(LearningRate.GetValueOrDefault());
    }

    public virtual void LoadStateDict(BinaryReader reader)
    {
        InitialLearningRate = reader.ReadDouble();
        LearningRate = reader.ReadDouble();
    }

    public virtual void LoadStateDict(OptimizerOptions source)
    {
        InitialLearningRate = source.InitialLearningRate;
        LearningRate = source.LearningRate;
    }
}

/// <summary>What an optimizer remembers of one parameter.</summary>
public abstract class OptimizerState
{
    protected Parameter _parameter;

    protected OptimizerState(Parameter parameter)
    {
        _parameter = parameter;
    }

    public abstract void Initialize(OptimizerOptions options);
    public abstract void SaveStateDict(BinaryWriter writer);
    public abstract void LoadStateDict(BinaryReader reader);
    public abstract void LoadStateDict(OptimizerState source);

    public virtual bool ApproximatelyEquals(OptimizerState other) => false;

    public virtual void to(torch.Device device)
    {
    }

    protected static void SaveConditionalStateTensor(BinaryWriter writer, torch.Tensor? tensor)
    {
        writer.Write(tensor is not null);
        if (tensor is not null) TensorFormat.Write(writer, tensor);
    }

    protected static void LoadConditionalStateTensor(BinaryReader reader, ref torch.Tensor? result, torch.Device device)
    {
        bool present = reader.ReadBoolean();
        result?.Dispose();
        result = present ? Kept(TensorFormat.Read(reader).to(device, disposeAfter: true)) : null;
    }

    private protected static torch.Tensor Kept(torch.Tensor tensor) => tensor.DetachFromDisposeScope();

    private protected torch.Tensor Zeros()
    {
        using var noGrad = torch.no_grad();
        return Kept(torch.zeros_like(_parameter));
    }

    private protected static void Copy(torch.Tensor? source, ref torch.Tensor? target)
    {
        if (ReferenceEquals(source, target)) return;
        using var noGrad = torch.no_grad();
        torch.Tensor? copy = source is null ? null : Kept(source.clone());
        target?.Dispose();
        target = copy;
    }

    private protected static void Move(ref torch.Tensor? tensor, torch.Device device)
    {
        if (tensor is null) return;
        torch.Tensor moved = Kept(tensor.to(device));
        if (!ReferenceEquals(moved, tensor)) tensor.Dispose();
        tensor = moved;
    }

    private protected static bool Close(torch.Tensor? a, torch.Tensor? b) =>
        a is null || b is null ? a is null && b is null : a.allclose(b);
}
