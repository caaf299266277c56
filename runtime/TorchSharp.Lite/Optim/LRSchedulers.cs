namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static LRScheduler StepLR(Optimizer optimizer, int step_size, double gamma = 0.1, int last_epoch = -1, bool verbose = false) =>
                new impl.StepLR(optimizer, step_size, gamma, last_epoch, verbose);

            public static LRScheduler MultiStepLR(Optimizer optimizer, IList<int> milestones, double gamma = 0.1, int last_epoch = -1, bool verbose = false) =>
                new impl.MultiStepLR(optimizer, milestones, gamma, last_epoch, verbose);

            public static LRScheduler ExponentialLR(Optimizer optimizer, double gamma = 0.1, int last_epoch = -1, bool verbose = false) =>
                new impl.ExponentialLR(optimizer, gamma, last_epoch, verbose);

            public static LRScheduler CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1, bool verbose = false) =>
                new impl.CosineAnnealingLR(optimizer, T_max, eta_min, last_epoch, verbose);

            public static LRScheduler ConstantLR(Optimizer optimizer, double factor = 1.0 / 3, int total_iters = 5, int last_epoch = -1, bool verbose = false) =>
                new impl.ConstantLR(optimizer, factor, total_iters, last_epoch, verbose);

            public static LRScheduler LinearLR(Optimizer optimizer, double start_factor = 1.0 / 3, double end_factor = 1, int total_iters = 5, int last_epoch = -1, bool verbose = false) =>
                new impl.LinearLR(optimizer, start_factor, end_factor, total_iters, last_epoch, verbose);

            public static LRScheduler PolynomialLR(Optimizer optimizer, int total_iters = 5, double power = 1, int last_epoch = -1, bool verbose = false) =>
                new impl.PolynomialLR(optimizer, total_iters, power, last_epoch, verbose);

            public static LRScheduler LambdaLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false) =>
                new impl.LambdaLR(optimizer, lr_lambda, last_epoch, verbose);

            public static LRScheduler MultiplicativeLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false) =>
                new impl.MultiplicativeLR(optimizer, lr_lambda, last_epoch, verbose);

            public static LRScheduler SequentialLR(Optimizer optimizer, IEnumerable<LRScheduler> schedulers, IEnumerable<int> milestones, int last_epoch = -1) =>
                new impl.SequentialLR(optimizer, schedulers, milestones, last_epoch);

            public static LRScheduler ChainedLR(IEnumerable<LRScheduler> schedulers) => new impl.ChainedLR(schedulers);

            // get_lr goes from the rate that stands to the next one, so that schedulers can be chained;
            // get_closed_form_lr goes from the first rate to any step.
            public static partial class impl
            {
                /// <summary>Multiplies by gamma every step_size steps.</summary>
                public class StepLR : LRScheduler
                {
                    private readonly int step_size;
                    private readonly double gamma;

                    public StepLR(Optimizer optimizer, int step_size, double gamma = 0.1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        ArgumentOutOfRangeException.ThrowIfLessThan(step_size, 1);
                        (this.step_size, this.gamma) = (step_size, gamma);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => last_epoch == 0 || last_epoch % step_size != 0 ? Rates : Rates.Select(lr => lr * gamma);

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => lr * Math.Pow(gamma, last_epoch / step_size));
                }

                /// <summary>Multiplies by gamma at each milestone.</summary>
                public class MultiStepLR : LRScheduler
                {
                    private readonly int[] milestones;
                    private readonly double gamma;

                    public MultiStepLR(Optimizer optimizer, IList<int> milestones, double gamma = 0.1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        (this.milestones, this.gamma) = ([.. milestones], gamma);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => Rates.Select(lr => lr * Math.Pow(gamma, milestones.Count(m => m == last_epoch)));

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => lr * Math.Pow(gamma, milestones.Count(m => m <= last_epoch)));
                }

                /// <summary>Multiplies by gamma every step.</summary>
                public class ExponentialLR : LRScheduler
                {
                    private readonly double gamma;

                    public ExponentialLR(Optimizer optimizer, double gamma = 0.1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        this.gamma = gamma;
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => last_epoch == 0 ? Rates : Rates.Select(lr => lr * gamma);

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => lr * Math.Pow(gamma, last_epoch));
                }

                /// <summary>Half a cosine from the first rate to eta_min in T_max steps, and back.</summary>
                public class CosineAnnealingLR : LRScheduler
                {
                    private readonly double T_max, eta_min;

                    public CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        (this.T_max, this.eta_min) = (T_max, eta_min);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (last_epoch == 0) return Rates;
                        if (_step_count == 1) return get_closed_form_lr();
                        // The ratio below has no meaning one step after the bottom.
                        if ((last_epoch - 1 - T_max) % (2 * T_max) == 0)
                            return Rates.Zip(base_lrs, (lr, start) => lr + (start - eta_min) * (1 - Math.Cos(Math.PI / T_max)) / 2);
                        double ratio = Height(last_epoch) / Height(last_epoch - 1);
                        return Rates.Select(lr => ratio * (lr - eta_min) + eta_min);
                    }

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => eta_min + (lr - eta_min) * Height(last_epoch) / 2);

                    private double Height(int step) => 1 + Math.Cos(Math.PI * step / T_max);
                }

                /// <summary>The rate times factor until total_iters, then the rate.</summary>
                public class ConstantLR : LRScheduler
                {
                    private readonly double factor;
                    private readonly int total_iters;

                    public ConstantLR(Optimizer optimizer, double factor = 1.0 / 3, int total_iters = 5, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        (this.factor, this.total_iters) = (factor, total_iters);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() =>
                        last_epoch == 0 ? Rates.Select(lr => lr * factor) : last_epoch == total_iters ? Rates.Select(lr => lr / factor) : Rates;

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => last_epoch >= total_iters ? lr : lr * factor);
                }

                /// <summary>The factor goes in a line from start_factor to end_factor in total_iters steps.</summary>
                public class LinearLR : LRScheduler
                {
                    private readonly double start_factor, end_factor;
                    private readonly int total_iters;

                    public LinearLR(Optimizer optimizer, double start_factor = 1.0 / 3, double end_factor = 1, int total_iters = 5, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        if (!(start_factor is > 0 and <= 1)) throw new ArgumentException($"start_factor must be in (0, 1]; got {start_factor}.", nameof(start_factor));
                        if (!(end_factor is >= 0 and <= 1)) throw new ArgumentException($"end_factor must be in [0, 1]; got {end_factor}.", nameof(end_factor));
                        (this.start_factor, this.end_factor, this.total_iters) = (start_factor, end_factor, total_iters);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() =>
                        last_epoch == 0 ? Rates.Select(lr => lr * start_factor)
                        : last_epoch > total_iters ? Rates
                        : Rates.Select(lr => lr * Factor(last_epoch) / Factor(last_epoch - 1));

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => lr * Factor(Math.Min(last_epoch, total_iters)));

                    private double Factor(int step) => start_factor + (end_factor - start_factor) * step / total_iters;
                }

                /// <summary>The rate times (1 - step / total_iters)^power.</summary>
                public class PolynomialLR : LRScheduler
                {
                    private readonly int total_iters;
                    private readonly double power;

                    public PolynomialLR(Optimizer optimizer, int total_iters = 5, double power = 1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        (this.total_iters, this.power) = (total_iters, power);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() =>
                        last_epoch == 0 || last_epoch > total_iters ? Rates : Rates.Select(lr => lr * Factor(last_epoch) / Factor(last_epoch - 1));

                    protected override IEnumerable<double> get_closed_form_lr() => base_lrs.Select(lr => lr * Factor(Math.Min(last_epoch, total_iters)));

                    private double Factor(int step) => Math.Pow(1 - (double)step / total_iters, power);
                }

                /// <summary>The first rate times a function of the step.</summary>
                public class LambdaLR : LRScheduler
                {
                    private readonly Func<int, double>[] lr_lambdas;

                    public LambdaLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, optimizer.ParamGroups.Select(_ => lr_lambda), last_epoch, verbose)
                    {
                    }

                    public LambdaLR(Optimizer optimizer, IEnumerable<Func<int, double>> lr_lambdas, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        this.lr_lambdas = OnePerGroup(lr_lambdas, base_lrs.Length);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => base_lrs.Zip(lr_lambdas, (lr, factor) => lr * factor(last_epoch));
                }

                /// <summary>Multiplies by a function of the step.</summary>
                public class MultiplicativeLR : LRScheduler
                {
                    private readonly Func<int, double>[] lr_lambdas;

                    public MultiplicativeLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, optimizer.ParamGroups.Select(_ => lr_lambda), last_epoch, verbose)
                    {
                    }

                    public MultiplicativeLR(Optimizer optimizer, IEnumerable<Func<int, double>> lr_lambdas, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        this.lr_lambdas = OnePerGroup(lr_lambdas, base_lrs.Length);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() =>
                        last_epoch == 0 ? Rates : Rates.Zip(lr_lambdas, (lr, factor) => lr * factor(last_epoch));
                }

                private static Func<int, double>[] OnePerGroup(IEnumerable<Func<int, double>> lambdas, int groups)
                {
                    Func<int, double>[] list = [.. lambdas];
                    return list.Length == groups ? list : throw new ArgumentException($"The optimizer has {groups} parameter groups; {list.Length} functions were given.", nameof(lambdas));
                }
            }
        }
    }
}
