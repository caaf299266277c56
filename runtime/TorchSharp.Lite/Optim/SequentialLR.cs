namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static partial class impl
            {
                /// <summary>One scheduler after the other: the next takes over, from its own step 0, at each milestone.</summary>
                public class SequentialLR : LRScheduler
                {
                    private readonly LRScheduler[] schedulers;
                    private readonly int[] milestones;

                    public SequentialLR(Optimizer optimizer, IEnumerable<LRScheduler> schedulers, IEnumerable<int> milestones, int last_epoch = -1) : base(optimizer, last_epoch + 1)
                    {
                        (this.schedulers, this.milestones) = ([.. schedulers], [.. milestones]);
                        if (this.schedulers.Length != this.milestones.Length + 1)
                            throw new ArgumentException($"{this.schedulers.Length} schedulers need {this.schedulers.Length - 1} milestones; got {this.milestones.Length}.", nameof(milestones));
                        if (!this.milestones.SequenceEqual(this.milestones.Order()))
                            throw new ArgumentException($"The milestones must ascend; got {string.Join(", ", this.milestones)}.", nameof(milestones));
                        if (this.schedulers.Any(s => !ReferenceEquals(s.optimizer, optimizer)))
                            throw new ArgumentException("The schedulers must work on the optimizer given here.", nameof(schedulers));

                        // Each scheduler stepped on construction, on top of the others: all of that is undone.
                        foreach (ILearningRateController group in Groups) group.LearningRate = group.InitialLearningRate;
                        foreach (LRScheduler scheduler in this.schedulers) scheduler.last_epoch--;
                        this.schedulers[0].Restart();
                        Report(this.schedulers[0]);
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        int active = milestones.Count(m => m <= last_epoch);
                        LRScheduler scheduler = schedulers[active];
                        if (active > 0 && milestones[active - 1] == last_epoch) scheduler.step(0);
                        else scheduler.step();
                        return scheduler.get_last_lr();
                    }
                }

                /// <summary>Steps several schedulers, each on top of the others.</summary>
                public class ChainedLR : LRScheduler
                {
                    private readonly LRScheduler[] schedulers;

                    public ChainedLR(IEnumerable<LRScheduler> schedulers)
                    {
                        this.schedulers = [.. schedulers];
                        if (this.schedulers.Length == 0) throw new ArgumentException("There is nothing to chain.", nameof(schedulers));
                        Report(this.schedulers[^1]);
                    }

                    public override void step()
                    {
                        foreach (LRScheduler scheduler in schedulers) scheduler.step();
                        Report(schedulers[^1]);
                    }
                }
            }
        }
    }
}
