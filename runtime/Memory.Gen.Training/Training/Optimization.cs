using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Training;

/// <summary>AdamW over a model's parameters, and its moments as a file.</summary>
internal sealed class Optimization : IDisposable
{
    private const double Epsilon = 1e-8;
    private const string Mean = "exp_avg.", Square = "exp_avg_sq.", Steps = "steps", Random = "rng_state";

    private readonly AdamW optimizer;
    private readonly TrainingOptions options;
    private readonly List<string> names;

    public Optimization(nn.Module model, TrainingOptions options)
    {
        this.options = options;
        var (decayed, plain) = Groups(model);
        names = [.. decayed.Concat(plain).Select(p => p.Name)];
        Parameters = [.. decayed.Concat(plain).Select(p => p.Parameter)];
        var groups = new[] { Group(decayed, options.WeightDecay), Group(plain, 0) };
        optimizer = optim.AdamW(groups.Where(g => g.Parameters.Any()), options.LearningRate, options.Beta1, options.Beta2, Epsilon);

        AdamW.ParamGroup Group(List<(string Name, Parameter Parameter)> members, double decay) =>
            new(members.Select(p => p.Parameter), options.LearningRate, options.Beta1, options.Beta2, Epsilon, weight_decay: decay);
    }

    /// <summary>All trained parameters, those with weight decay first.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Matrices are decayed; vectors (norms, biases, gates) are not.</summary>
    public static (List<(string Name, Parameter Parameter)> Decayed, List<(string Name, Parameter Parameter)> Plain) Groups(nn.Module model)
    {
        var trained = model.named_parameters().Where(p => p.parameter.requires_grad).Select(p => (Name: p.name, Parameter: p.parameter)).ToList();
        return (trained.Where(p => p.Parameter.dim() >= 2).ToList(), trained.Where(p => p.Parameter.dim() < 2).ToList());
    }

    /// <summary>Moves the parameters along their gradients, after scaling these down to <paramref name="clipNorm"/> where all together are longer.</summary>
    /// <returns>The Euclidean norm of all gradients before that. Where it is infinite or not a number, nothing was moved.</returns>
    public double Step(double learningRate, double clipNorm = double.PositiveInfinity)
    {
        foreach (var group in optimizer.ParamGroups) group.LearningRate = learningRate;
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        if (OptimizerKernels.Serve(Parameters)) return StepInKernels(learningRate, clipNorm);

        Tensor[] gradients = [.. Parameters.Select(p => p.grad).OfType<Tensor>()];
        double norm = Math.Sqrt(gradients.Sum(g => g.to(ScalarType.Float64).square().sum().item<double>())), scale = clipNorm / (norm + 1e-6);
        if (!double.IsFinite(norm)) return norm;
        if (scale < 1)
        {
            foreach (Tensor gradient in gradients) gradient.mul_(scale);
        }

        optimizer.step();
        return norm;
    }

    // The moments and steps are the optimizer's own, so that a checkpoint does not know who moved the parameters. The norm is read
    // when everything is queued: a device need not wait for the host.
    private double StepInKernels(double learningRate, double clipNorm)
    {
        var moved = new List<(AdamW.State State, AdamWTensor Tensor)>();
        foreach (var (parameter, state) in Parameters.Zip(States))
        {
            if (parameter.grad is not { } gradient) continue;
            moved.Add((state, new AdamWTensor(parameter, gradient.contiguous(), state.exp_avg, state.exp_avg_sq, parameter.dim() >= 2 ? options.WeightDecay : 0)));
        }

        Tensor squaredNorm = OptimizerKernels.SquaredNorm([.. moved.Select(each => each.Tensor.Gradient)]);
        foreach (var together in moved.GroupBy(each => each.State.step + 1))
        {
            var numbers = new AdamWNumbers(learningRate, options.Beta1, options.Beta2, Epsilon, together.Key);
            OptimizerKernels.AdamW([.. together.Select(each => each.Tensor)], numbers, new GradientClip(squaredNorm, clipNorm));
        }

        double norm = Math.Sqrt(squaredNorm.item<double>());
        if (!double.IsFinite(norm)) return norm;
        foreach (var (state, _) in moved) state.step++;
        return norm;
    }

    /// <summary>Writes the moments, the steps of every parameter and the state of torch's random numbers.</summary>
    public void Save(string path)
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { [Steps] = tensor(States.Select(s => s.step).ToArray()), [Random] = random.get_rng_state() };
        foreach (var (name, state) in names.Zip(States))
        {
            tensors[Mean + name] = state.exp_avg;
            tensors[Square + name] = state.exp_avg_sq;
        }
        SafetensorsFile.Write(path, tensors);
    }

    /// <summary>Takes over what <see cref="Save"/> wrote.</summary>
    /// <exception cref="MemoryFileException">It is not of these parameters.</exception>
    public void Load(string path)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var file = SafetensorsFile.Open(path);
        long[] steps = file.Read(Steps).data<long>().ToArray();
        if (steps.Length != names.Count) throw new MemoryFileException(path, $"holds the moments of {steps.Length} parameters, the model has {names.Count}. Use a checkpoint of this model.");
        foreach (var (name, state) in names.Zip(States))
        {
            Copy(Mean + name, state.exp_avg);
            Copy(Square + name, state.exp_avg_sq);
        }
        foreach (var (state, step) in States.Zip(steps)) state.step = step;
        random.set_rng_state(file.Read(Random));

        void Copy(string name, Tensor target)
        {
            Tensor source = file.Read(name);
            if (!source.shape.SequenceEqual(target.shape))
                throw new MemoryFileException(path, $"'{name}' is [{string.Join(", ", source.shape)}] and should be [{string.Join(", ", target.shape)}]. Use a checkpoint of this model.");
            target.copy_(source);
        }
    }

    public void Dispose() => optimizer.Dispose();

    private IEnumerable<AdamW.State> States => optimizer.state_dict().State.Cast<AdamW.State>();
}
