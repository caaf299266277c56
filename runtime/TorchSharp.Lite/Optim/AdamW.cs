using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            public static AdamW AdamW(IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false) =>
                new(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

            public static AdamW AdamW(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

            public static AdamW AdamW(IEnumerable<AdamW.ParamGroup> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false) =>
                new(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <summary>Adam with decoupled weight decay (Loshchilov, Hutter: Decoupled Weight Decay Regularization, arXiv 1711.05101). No decay unless asked.</summary>
    public class AdamW : OptimizerHelper, torch.optim.IBetas
    {
        public AdamW(IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)
        {
        }

        public AdamW(IEnumerable<ParamGroup> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
        {
            if (!(lr >= 0)) throw new ArgumentException($"The learning rate must not be negative; got {lr}.", nameof(lr));
            if (!(eps >= 0)) throw new ArgumentException($"eps must not be negative; got {eps}.", nameof(eps));
            if (!(beta1 is >= 0 and < 1)) throw new ArgumentException($"beta1 must be in [0, 1); got {beta1}.", nameof(beta1));
            if (!(beta2 is >= 0 and < 1)) throw new ArgumentException($"beta2 must be in [0, 1); got {beta2}.", nameof(beta2));
            if (!(weight_decay >= 0)) throw new ArgumentException($"The weight decay must not be negative; got {weight_decay}.", nameof(weight_decay));
            _defaults = new Options
            {
                LearningRate = lr, InitialLearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps,
                weight_decay = weight_decay, amsgrad = amsgrad, maximize = maximize,
            };
            foreach (ParamGroup group in parameters) add_param_group(group);
        }

        public (double, double) Betas
        {
            get => (((Options)_defaults).beta1!.Value, ((Options)_defaults).beta2!.Value);
            set
            {
                (((Options)_defaults).beta1, ((Options)_defaults).beta2) = value;
                foreach (Modules.ParamGroup group in _parameter_groups) ((ParamGroup)group).Betas = value;
            }
        }

        public override void add_param_group(Modules.ParamGroup param_group)
        {
            var defaults = (Options)_defaults;
            var options = (Options)(param_group.Options ??= new Options());
            options.LearningRate ??= defaults.LearningRate;
            options.beta1 ??= defaults.beta1;
            options.beta2 ??= defaults.beta2;
            options.eps ??= defaults.eps;
            options.weight_decay ??= defaults.weight_decay;
            options.amsgrad ??= defaults.amsgrad;
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

        // m and v are the running means of g and g^2; with c_i = 1 - beta_i^step the update is
        //   -lr (m / c1) / (sqrt(v / c2) + eps)  =  -(lr sqrt(c2) / c1) m / (sqrt(v) + eps sqrt(c2)),
        // written the second way it needs one temporary and no division of it.
        private void Update(ParamGroup group)
        {
            Options o = group.Options;
            double beta1 = o.beta1!.Value, beta2 = o.beta2!.Value, lr = o.LearningRate!.Value, decay = o.weight_decay!.Value;
            foreach (Parameter parameter in group.Parameters)
            {
                using torch.Tensor? gradient = parameter.grad;
                if (gradient is null) continue;
                var state = (State)StateOf(parameter);
                state.step++;
                double correction1 = 1 - Math.Pow(beta1, state.step), root2 = Math.Sqrt(1 - Math.Pow(beta2, state.step));

                torch.Tensor g = o.maximize!.Value ? gradient.neg() : gradient;
                if (decay != 0) parameter.mul_(1 - lr * decay);
                state.exp_avg.mul_(beta1).add_(g, 1 - beta1);
                state.exp_avg_sq.mul_(beta2).addcmul_(g, g, 1 - beta2);
                if (o.amsgrad!.Value) state.RaiseMaximum();
                using torch.Tensor denominator = (state.max_exp_avg_sq ?? state.exp_avg_sq).sqrt();
                denominator.add_(o.eps!.Value * root2);
                parameter.addcdiv_(state.exp_avg, denominator, -lr * root2 / correction1);
                if (!ReferenceEquals(g, gradient)) g.Dispose();
            }
        }

        public class Options : OptimizerOptions
        {
            public double? beta1;
            public double? beta2;
            public double? weight_decay;
            public double? eps;
            public bool? amsgrad;
            public bool? maximize;

            public override void SaveStateDict(BinaryWriter writer)
            {
                base.SaveStateDict(writer);
                writer.Write(beta1!.Value);
                writer.Write(beta2!.Value);
                writer.Write(eps!.Value);
                writer.Write(weight_decay!.Value);
                writer.Write(amsgrad!.Value);
                writer.Write(maximize!.Value);
            }

            public override void LoadStateDict(BinaryReader reader)
            {
                base.LoadStateDict(reader);
                beta1 = reader.ReadDouble();
                beta2 = reader.ReadDouble();
                eps = reader.ReadDouble();
                weight_decay = reader.ReadDouble();
                amsgrad = reader.ReadBoolean();
                maximize = reader.ReadBoolean();
            }

            public override void LoadStateDict(OptimizerOptions source)
            {
                base.LoadStateDict(source);
                var other = (Options)source;
                (beta1, beta2, eps, weight_decay, amsgrad, maximize) = (other.beta1, other.beta2, other.eps, other.weight_decay, other.amsgrad, other.maximize);
            }
        }

        public class ParamGroup : ParamGroup<Options>, torch.optim.IBetas
        {
            public ParamGroup()
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, Options options) : base(parameters, options)
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
                : base(parameters, new Options
                {
                    LearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps, weight_decay = weight_decay, amsgrad = amsgrad, maximize = maximize,
                })
            {
            }

            public (double, double) Betas
            {
                get => (Options.beta1!.Value, Options.beta2!.Value);
                set => (Options.beta1, Options.beta2) = value;
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public long step;
            public torch.Tensor exp_avg = null!;
            public torch.Tensor exp_avg_sq = null!;
            public torch.Tensor? max_exp_avg_sq;

            public State(Parameter parameter) : base(parameter)
            {
            }

            public override void Initialize(OptimizerOptions options)
            {
                Dispose();
                step = 0;
                exp_avg = Zeros();
                exp_avg_sq = Zeros();
                max_exp_avg_sq = ((Options)options).amsgrad == true ? Zeros() : null;
            }

            public void Dispose()
            {
                exp_avg?.Dispose();
                exp_avg_sq?.Dispose();
                max_exp_avg_sq?.Dispose();
            }

            public override void to(torch.Device device)
            {
                Move(ref exp_avg!, device);
                Move(ref exp_avg_sq!, device);
                Move(ref max_exp_avg_sq, device);
            }

            public override void SaveStateDict(BinaryWriter writer)
            {
                writer.Write(step);
                TensorFormat.Write(writer, exp_avg);
                TensorFormat.Write(writer, exp_avg_sq);
                SaveConditionalStateTensor(writer, max_exp_avg_sq);
            }

            public override void LoadStateDict(BinaryReader reader)
            {
                step = reader.ReadInt64();
                TensorFormat.ReadInto(reader, exp_avg, nameof(exp_avg));
                TensorFormat.ReadInto(reader, exp_avg_sq, nameof(exp_avg_sq));
                LoadConditionalStateTensor(reader, ref max_exp_avg_sq, exp_avg.device);
            }

            public override void LoadStateDict(OptimizerState source)
            {
                var other = (State)source;
                step = other.step;
                Copy(other.exp_avg, ref exp_avg!);
                Copy(other.exp_avg_sq, ref exp_avg_sq!);
                Copy(other.max_exp_avg_sq, ref max_exp_avg_sq);
            }

            public override bool ApproximatelyEquals(OptimizerState other) =>
                other is State state && step == state.step && Close(exp_avg, state.exp_avg) && Close(exp_avg_sq, state.exp_avg_sq)
                && Close(max_exp_avg_sq, state.max_exp_avg_sq);

            internal void RaiseMaximum()
            {
                torch.Tensor next = Kept(torch.maximum(max_exp_avg_sq!, exp_avg_sq));
                max_exp_avg_sq!.Dispose();
                max_exp_avg_sq = next;
            }
        }
    }
}
