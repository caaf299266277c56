namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static LRScheduler OneCycleLR(Optimizer optimizer, double max_lr, int total_steps = -1, int epochs = -1, int steps_per_epoch = -1, double pct_start = 0.3,
                impl.OneCycleLR.AnnealStrategy anneal_strategy = impl.OneCycleLR.AnnealStrategy.Cos, bool cycle_momentum = true, double base_momentum = 0.85, double max_momentum = 0.95,
                double div_factor = 25, double final_div_factor = 10000, bool three_phase = false, int last_epoch = -1, bool verbose = false) =>
                new impl.OneCycleLR(optimizer, max_lr, total_steps, epochs, steps_per_epoch, pct_start, anneal_strategy, cycle_momentum, base_momentum, max_momentum,
                    div_factor, final_div_factor, three_phase, last_epoch, verbose);

            public static LRScheduler OneCycleLR(Optimizer optimizer, IEnumerable<double> max_lr, int total_steps = -1, int epochs = -1, int steps_per_epoch = -1, double pct_start = 0.3,
                impl.OneCycleLR.AnnealStrategy anneal_strategy = impl.OneCycleLR.AnnealStrategy.Cos, bool cycle_momentum = true, IEnumerable<double>? base_momentum = null, IEnumerable<double>? max_momentum = null,
                double div_factor = 25, double final_div_factor = 10000, bool three_phase = false, int last_epoch = -1, bool verbose = false) =>
                new impl.OneCycleLR(optimizer, max_lr, total_steps, epochs, steps_per_epoch, pct_start, anneal_strategy, cycle_momentum, base_momentum, max_momentum,
                    div_factor, final_div_factor, three_phase, last_epoch, verbose);

            public static partial class impl
            {
                /// <summary>
                /// Up from max_lr / div_factor to max_lr in the first pct_start of the steps, then down to the first rate / final_div_factor
                /// (three_phase: down to the first rate in as many steps, then on). Momentum moves the other way.
                /// Smith, Topin: Super-Convergence (arXiv 1708.07120).
                /// </summary>
                public class OneCycleLR : LRScheduler
                {
                    private readonly double[] max_lrs, base_momenta, max_momenta;
                    private readonly double div_factor, final_div_factor;
                    private readonly double[] ends;
                    private readonly int total_steps;
                    private readonly bool cycle_momentum, three_phase;
                    private readonly AnnealStrategy anneal_strategy;

                    public enum AnnealStrategy
                    {
                        Cos = 0,
                        Linear = 1,
                    }

                    public OneCycleLR(Optimizer optimizer, double max_lr, int total_steps = -1, int epochs = -1, int steps_per_epoch = -1, double pct_start = 0.3,
                        AnnealStrategy anneal_strategy = AnnealStrategy.Cos, bool cycle_momentum = true, double base_momentum = 0.85, double max_momentum = 0.95,
                        double div_factor = 25, double final_div_factor = 10000, bool three_phase = false, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, optimizer.ParamGroups.Select(_ => max_lr), total_steps, epochs, steps_per_epoch, pct_start, anneal_strategy, cycle_momentum,
                            optimizer.ParamGroups.Select(_ => base_momentum), optimizer.ParamGroups.Select(_ => max_momentum), div_factor, final_div_factor, three_phase, last_epoch, verbose)
                    {
                    }

                    public OneCycleLR(Optimizer optimizer, IEnumerable<double> max_lr, int total_steps = -1, int epochs = -1, int steps_per_epoch = -1, double pct_start = 0.3,
                        AnnealStrategy anneal_strategy = AnnealStrategy.Cos, bool cycle_momentum = true, IEnumerable<double>? base_momentum = null, IEnumerable<double>? max_momentum = null,
                        double div_factor = 25, double final_div_factor = 10000, bool three_phase = false, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        if (total_steps < 1 && (epochs < 1 || steps_per_epoch < 1))
                            throw new ArgumentException("The length of the cycle is missing: give total_steps, or epochs and steps_per_epoch.", nameof(total_steps));
                        if (!(pct_start is >= 0 and <= 1)) throw new ArgumentException($"pct_start must be in [0, 1]; got {pct_start}.", nameof(pct_start));
                        this.total_steps = total_steps > 0 ? total_steps : epochs * steps_per_epoch;
                        (this.div_factor, this.final_div_factor, this.three_phase) = (div_factor, final_div_factor, three_phase);
                        (this.anneal_strategy, this.cycle_momentum) = (anneal_strategy, cycle_momentum);
                        max_lrs = [.. max_lr];
                        base_momenta = [.. base_momentum ?? max_lrs.Select(_ => 0.85)];
                        max_momenta = [.. max_momentum ?? max_lrs.Select(_ => 0.95)];
                        double peak = pct_start * this.total_steps - 1;
                        ends = three_phase ? [peak, 2 * peak, this.total_steps - 1] : [peak, this.total_steps - 1];
                        if (last_epoch == -1)
                            foreach (var (group, start) in Groups.Zip(max_lrs)) group.InitialLearningRate = start / div_factor;
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (last_epoch > total_steps)
                            throw new InvalidOperationException($"The cycle has {total_steps} steps; step {last_epoch} was asked for.");
                        var (from, to, done) = Phase();
                        if (cycle_momentum) SetMomenta(from, to, done);
                        return max_lrs.Select(max => Between(Rate(max, from), Rate(max, to), done));
                    }

                    // Corners of the cycle: 0 the first rate, 1 the peak, 2 the end.
                    private (int From, int To, double Done) Phase()
                    {
                        int phase = 0;
                        while (phase < ends.Length - 1 && last_epoch > ends[phase]) phase++;
                        double begin = phase == 0 ? 0 : ends[phase - 1];
                        double done = ends[phase] > begin ? (last_epoch - begin) / (ends[phase] - begin) : 1;
                        return phase switch
                        {
                            0 => (0, 1, done),
                            1 when three_phase => (1, 0, done),
                            1 => (1, 2, done),
                            _ => (0, 2, done),
                        };
                    }

                    private double Rate(double max, int corner) => corner switch
                    {
                        0 => max / div_factor,
                        1 => max,
                        _ => max / div_factor / final_div_factor,
                    };

                    private double Between(double from, double to, double done) =>
                        anneal_strategy == AnnealStrategy.Linear ? from + (to - from) * done : to + (from - to) / 2 * (1 + Math.Cos(Math.PI * done));

                    private void SetMomenta(int from, int to, double done)
                    {
                        int i = 0;
                        foreach (ILearningRateController group in Groups)
                        {
                            double Momentum(int corner) => corner == 1 ? base_momenta[i] : max_momenta[i];
                            double momentum = Between(Momentum(from), Momentum(to), done);
                            if (group is IBetas adam) adam.Betas = (momentum, adam.Betas.Item2);
                            else if (group is IMomentum sgd) sgd.Momentum = momentum;
                            i++;
                        }
                    }
                }
            }
        }
    }
}
