using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Schedulers = TorchSharp.torch.optim.lr_scheduler;

namespace Memory.Gen.Runtime.Tests.Torch;

public class SchedulerTests
{
    private const double Rate = 0.2;

    public static TheoryData<string, Func<optim.Optimizer, Schedulers.LRScheduler>, Func<int, double>> Schedules => new()
    {
        { "StepLR", o => Schedulers.StepLR(o, 3, 0.5), t => Rate * Math.Pow(0.5, t / 3) },
        { "MultiStepLR", o => Schedulers.MultiStepLR(o, [2, 5], 0.1), t => Rate * (t < 2 ? 1 : t < 5 ? 0.1 : 0.01) },
        { "ExponentialLR", o => Schedulers.ExponentialLR(o, 0.9), t => Rate * Math.Pow(0.9, t) },
        { "CosineAnnealingLR", o => Schedulers.CosineAnnealingLR(o, 6, 0.01), t => 0.01 + (Rate - 0.01) * (1 + Math.Cos(Math.PI * t / 6)) / 2 },
        { "ConstantLR", o => Schedulers.ConstantLR(o, 0.25, 4), t => t < 4 ? Rate * 0.25 : Rate },
        { "LinearLR", o => Schedulers.LinearLR(o, 0.1, 1, 5), t => Rate * Math.Min(1, 0.1 + 0.9 * t / 5) },
        { "PolynomialLR", o => Schedulers.PolynomialLR(o, 8, 2), t => Rate * Math.Pow(1 - Math.Min(t, 8) / 8.0, 2) },
        { "LambdaLR", o => Schedulers.LambdaLR(o, t => 1.0 / (1 + t)), t => Rate / (1 + t) },
        { "MultiplicativeLR", o => Schedulers.MultiplicativeLR(o, t => t / 10.0), t => Rate * Enumerable.Range(1, t).Aggregate(1.0, (p, i) => p * i / 10) },
        { "warm-up, then cosine", WarmUpCosine, t => t < 4 ? Rate * (0.25 + 0.75 * t / 4) : Rate * (1 + Math.Cos(Math.PI * (t - 4) / 8)) / 2 },
    };

    [Theory]
    [MemberData(nameof(Schedules))]
    public void Rates_follow_the_closed_form(string name, Func<optim.Optimizer, Schedulers.LRScheduler> create, Func<int, double> expected)
    {
        using var scope = NewDisposeScope();
        using var optimizer = optim.SGD([new Parameter(zeros(1))], Rate);
        Schedulers.LRScheduler scheduler = create(optimizer);
        double[] rates = new double[11];
        for (int t = 0; t < rates.Length; t++)
        {
            rates[t] = optimizer.ParamGroups.Single().LearningRate;
            Assert.Equal(rates[t], scheduler.get_last_lr().Single());
            scheduler.step();
        }
        Assert.NotEmpty(name);
        Numbers.AssertClose([.. Enumerable.Range(0, rates.Length).Select(expected)], rates);
    }

    [Fact]
    public void A_step_can_be_jumped_to()
    {
        using var scope = NewDisposeScope();
        using var optimizer = optim.SGD([new Parameter(zeros(1))], Rate);
        Schedulers.LRScheduler scheduler = Schedulers.CosineAnnealingLR(optimizer, 10);
        scheduler.step((int?)5);
        Numbers.AssertClose([Rate / 2], [.. scheduler.get_last_lr()]);
        scheduler.step();
        Numbers.AssertClose([Rate * (1 + Math.Cos(Math.PI * 0.6)) / 2], [.. scheduler.get_last_lr()]);
    }

    [Fact]
    public void One_cycle_rises_to_the_peak_and_falls_far_below_the_start()
    {
        using var scope = NewDisposeScope();
        using var optimizer = optim.AdamW([new Parameter(zeros(1))], 1);
        Schedulers.LRScheduler scheduler = Schedulers.OneCycleLR(optimizer, max_lr: 0.5, total_steps: 20, pct_start: 0.25, div_factor: 10, final_div_factor: 100);
        var (rates, momenta) = (new double[20], new double[20]);
        for (int t = 0; t < 20; t++)
        {
            rates[t] = optimizer.ParamGroups.Single().LearningRate;
            momenta[t] = ((AdamW.ParamGroup)optimizer.ParamGroups.Single()).Betas.Item1;
            if (t < 19) scheduler.step();
        }
        static double Cosine(double from, double to, double done) => to + (from - to) / 2 * (1 + Math.Cos(Math.PI * done));
        Numbers.AssertClose([.. Enumerable.Range(0, 20).Select(t => t <= 4 ? Cosine(0.05, 0.5, t / 4.0) : Cosine(0.5, 0.0005, (t - 4) / 15.0))], rates);
        Numbers.AssertClose([.. Enumerable.Range(0, 20).Select(t => t <= 4 ? Cosine(0.95, 0.85, t / 4.0) : Cosine(0.85, 0.95, (t - 4) / 15.0))], momenta);
    }

    [Fact]
    public void Chained_schedules_multiply()
    {
        using var scope = NewDisposeScope();
        using var optimizer = optim.SGD([new Parameter(zeros(1))], Rate);
        Schedulers.LRScheduler scheduler = Schedulers.ChainedLR([Schedulers.ExponentialLR(optimizer, 0.9), Schedulers.StepLR(optimizer, 2, 0.5)]);
        for (int t = 0; t < 5; t++) scheduler.step();
        Numbers.AssertClose([Rate * Math.Pow(0.9, 5) * 0.25], [optimizer.ParamGroups.Single().LearningRate]);
    }

    private static Schedulers.LRScheduler WarmUpCosine(optim.Optimizer optimizer) => Schedulers.SequentialLR(optimizer,
        [Schedulers.LinearLR(optimizer, 0.25, 1, 4), Schedulers.CosineAnnealingLR(optimizer, 8)], [4]);
}
