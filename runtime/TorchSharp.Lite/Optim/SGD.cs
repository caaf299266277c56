using TorchSharp.Modules;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            public static SGD SGD(IEnumerable<Parameter> parameters, double learningRate, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false) =>
                new(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize);

            public static SGD SGD(IEnumerable<(string name, Parameter parameter)> parameters, double learningRate, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), learningRate, momentum, dampening, weight_decay, nesterov, maximize);

            public static SGD SGD(IEnumerable<SGD.ParamGroup> parameters, double learningRate, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false) =>
                new(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <summary>Stochastic gradient descent, optionally with momentum (Nesterov's too) and weight decay added to the gradient.</summary>
    public class SGD : OptimizerHelper, torch.optim.IMomentum
    {
        public SGD(IEnumerable<Parameter> parameters, double lr, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, momentum, dampening, weight_decay, nesterov, maximize)
        {
        }

        public SGD(IEnumerable<ParamGroup> parameters, double lr, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
        {
            if (!(lr >= 0)) throw new ArgumentException($"The learning rate must not be negative; got {lr}.", nameof(lr));
            if (!(momentum >= 0)) throw new ArgumentException($"The momentum must not be negative; got {momentum}.", nameof(momentum));
            if (!(weight_decay >= 0)) throw new ArgumentException($"The weight decay must not be negative; got {weight_decay}.", nameof(weight_decay));
            if (nesterov && (momentum == 0 || dampening != 0)) throw new ArgumentException("Nesterov's momentum needs a momentum above zero and no dampening.", nameof(nesterov));
            _defaults = new Options
            {
                LearningRate = lr, InitialLearningRate = lr, momentum = momentum, dampening = dampening,
                weight_decay = weight_decay, nesterov = nesterov, maximize = maximize,
            };
            foreach (ParamGroup group in parameters) add_param_group(group);
        }

        public double Momentum
        {
            get => ((Options)_defaults).momentum!.Value;
            set
            {
                ((Options)_defaults).momentum = value;
                foreach (Modules.ParamGroup group in _parameter_groups) ((ParamGroup)group).Momentum = value;
            }
        }

        public override void add_param_group(Modules.ParamGroup param_group)
        {
            var defaults = (Options)_defaults;
            var options = (Options)(param_group.Options ??= new Options());
            options.LearningRate ??= defaults.LearningRate;
            options.momentum ??= defaults.momentum;
            options.dampening ??= defaults.dampening;
            options.weight_decay ??= defaults.weight_decay;
            options.nesterov ??= defaults.nesterov;
            options.maximize ??= defaults.maximize;
            options.InitialLearningRate = options.LearningRate!.Value;
            base.add_param_group(param_group);
            AddStates(param_group, parameter => new State(parameter));
        }

        public override torch.Tensor? step(Func<torch.Tensor>? closure = null) => _step<ParamGroup>(Update, closure);

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            if (!disposing) return;
            foreach (var (_, state) in _state) ((State)state).Dispose();
        }

        // The first step takes the gradient itself as the momentum, without dampening.
        private void Update(ParamGroup group)
        {
            Options o = group.Options;
            double momentum = o.momentum!.Value, lr = o.LearningRate!.Value, decay = o.weight_decay!.Value;
            foreach (Parameter parameter in group.Parameters)
            {
                using var scope = torch.NewDisposeScope();
                if (parameter.grad is not { } g) continue;
                if (o.maximize!.Value) g = g.neg();
                if (decay != 0) g = g.add(parameter, decay);
                if (momentum != 0)
                {
                    var state = (State)StateOf(parameter);
                    state.Accumulate(g, momentum, o.dampening!.Value);
                    g = o.nesterov!.Value ? g.add(state.momentum_buffer!, momentum) : state.momentum_buffer!;
                }
                parameter.add_(g, -lr);
            }
        }

        public class Options : OptimizerOptions
        {
            public double? momentum;
            public double? dampening;
            public double? weight_decay;
            public bool? nesterov;
            public bool? maximize;

            public override void SaveStateDict(BinaryWriter writer)
            {
                base.SaveStateDict(writer);
                writer.Write(momentum!.Value);
                writer.Write(dampening!.Value);
                writer.Write(weight_decay!.Value);
                writer.Write(nesterov!.Value);
                writer.Write(maximize!.Value);
            }

            public override void LoadStateDict(BinaryReader reader)
            {
                base.LoadStateDict(reader);
                momentum = reader.ReadDouble();
                dampening = reader.ReadDouble();
                weight_decay = reader.ReadDouble();
                nesterov = reader.ReadBoolean();
                maximize = reader.ReadBoolean();
            }

            public override void LoadStateDict(OptimizerOptions source)
            {
                base.LoadStateDict(source);
                var other = (Options)source;
                (momentum, dampening, weight_decay, nesterov, maximize) = (other.momentum, other.dampening, other.weight_decay, other.nesterov, other.maximize);
            }
        }

        public class ParamGroup : ParamGroup<Options>, torch.optim.IMomentum
        {
            public ParamGroup()
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, Options options) : base(parameters, options)
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 0.001, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
                : base(parameters, new Options
                {
                    LearningRate = lr, momentum = momentum, dampening = dampening, weight_decay = weight_decay, nesterov = nesterov, maximize = maximize,
                })
            {
            }

            public double Momentum
            {
                get => Options.momentum!.Value;
                set => Options.momentum = value;
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public torch.Tensor? momentum_buffer;

            public State(Parameter parameter) : base(parameter)
            {
            }

            public override void Initialize(OptimizerOptions options)
            {
                Dispose();
                momentum_buffer = null;
            }

            public void Dispose() => momentum_buffer?.Dispose();

            public override void to(torch.Device device) => Move(ref momentum_buffer, device);

            public override void SaveStateDict(BinaryWriter writer) => SaveConditionalStateTensor(writer, momentum_buffer);

            public override void LoadStateDict(BinaryReader reader) => LoadConditionalStateTensor(reader, ref momentum_buffer, _parameter.device);

            public override void LoadStateDict(OptimizerState source) => Copy(((State)source).momentum_buffer, ref momentum_buffer);

            public override bool ApproximatelyEquals(OptimizerState other) => other is State state && Close(momentum_buffer, state.momentum_buffer);

            internal void Accumulate(torch.Tensor gradient, double momentum, double dampening)
            {
                if (momentum_buffer is null) momentum_buffer = Kept(gradient.clone());
                else momentum_buffer.mul_(momentum).add_(gradient, 1 - dampening);
            }
        }
    }
}
