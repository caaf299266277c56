namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            /// <summary>Sets the learning rates of an optimizer's groups, step by step. The first rates are set on construction.</summary>
            public abstract class LRScheduler
            {
                protected int _step_count;
                internal int last_epoch;
                internal readonly Optimizer? optimizer;
                private protected double[] base_lrs = [];
                private double[] last_lrs = [];
                private readonly bool verbose;

                protected LRScheduler()
                {
                }

                /// <param name="optimizer">Whose groups are set.</param>
                /// <param name="last_epoch">The step to resume after; -1 starts.</param>
                /// <param name="verbose">Whether each change is printed.</param>
                protected LRScheduler(Optimizer optimizer, int last_epoch = -1, bool verbose = false)
                {
                    this.optimizer = optimizer;
                    this.last_epoch = last_epoch;
                    this.verbose = verbose;
                    base_lrs = [.. Groups.Select(group => group.InitialLearningRate)];
                    last_lrs = [.. Rates];
                }

                private protected IEnumerable<ILearningRateController> Groups => optimizer?.ParamGroups ?? [];
                private protected IEnumerable<double> Rates => Groups.Select(group => group.LearningRate);

                /// <summary>The rates that the last step set.</summary>
                public IEnumerable<double> get_last_lr() => last_lrs;

                public virtual void step() => step(null);

                /// <param name="epoch">The step to jump to; null is the next.</param>
                public virtual void step(int? epoch)
                {
                    _step_count++;
                    last_epoch = epoch ?? last_epoch + 1;
                    Apply(epoch is null ? get_lr() : get_closed_form_lr());
                }

                public virtual void step(double current, int? epoch = null) => step(epoch);

                protected virtual IEnumerable<double> get_lr() => Rates;

                protected virtual IEnumerable<double> get_closed_form_lr() => get_lr();

                private protected void Apply(IEnumerable<double> rates)
                {
                    last_lrs = [.. rates];
                    int i = 0;
                    foreach (ILearningRateController group in Groups)
                    {
                        if (verbose) Console.WriteLine($"Group {i}: learning rate {last_lrs[i]:G6} at step {last_epoch}.");
                        group.LearningRate = last_lrs[i++];
                    }
                }

                private protected void Report(LRScheduler active) => last_lrs = active.last_lrs;

                // The first step again, as if nothing had been stepped.
                internal void Restart()
                {
                    _step_count = 0;
                    step();
                }
            }
        }
    }
}
