using Memory.Gen.Training;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class ScheduleTests
{
    private static readonly TrainingOptions Options = new() { Steps = 1, LearningRate = 0.8, FinalShare = 0.25, WarmUpShare = 0.2 };

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.1, 0.4)]
    [InlineData(0.2, 0.8)]
    [InlineData(0.6, 0.8 * (0.25 + 0.75 / 2))]
    [InlineData(1, 0.2)]
    [InlineData(1.5, 0.2)]
    public void RisesLinearlyAndFallsAlongACosine(double progress, double expected) =>
        Assert.Equal(expected, Schedule.LearningRate(Options, progress), 12);

    [Fact]
    public void WithoutWarmUpItBeginsAtTheTop() =>
        Assert.Equal(0.8, Schedule.LearningRate(Options with { WarmUpShare = 0 }, 0), 12);

    [Fact]
    public void OptionsThatMakeNoSenseAreNamed()
    {
        Options.Check();
        Assert.Contains("batch is 0", Assert.Throws<TrainingException>((Options with { Batch = 0 }).Check).Message);
        Assert.Contains("one of the two", Assert.Throws<TrainingException>((Options with { Duration = TimeSpan.FromSeconds(1) }).Check).Message);
        Assert.Contains("one of the two", Assert.Throws<TrainingException>((Options with { Steps = null }).Check).Message);
        Assert.Contains("learning rate is NaN", Assert.Throws<TrainingException>((Options with { LearningRate = double.NaN }).Check).Message);
        Assert.Contains("first beta is 1;", Assert.Throws<TrainingException>((Options with { Beta1 = 1 }).Check).Message);
    }

    [Fact]
    public void HistoryKeepsMeansInABoundedNumberOfPoints()
    {
        var history = new LossHistory();
        for (int step = 1; step <= 10_000; step++) history.Add(new LossPoint(step, step * 0.5, step));

        Assert.InRange(history.Points.Count, 500, 1024);

        // Points cover equal runs of steps, so the mean of the first one is that of its steps.
        long stride = history.Points[0].Step;
        Assert.Equal((1 + stride) / 2.0, history.Points[0].BitsPerByte, 9);
        Assert.Equal(2 * stride, history.Points[1].Step);

        var resumed = LossHistory.From(history.Snapshot());
        for (int step = 10_001; step <= 10_100; step++)
        {
            history.Add(new LossPoint(step, 0, step));
            resumed.Add(new LossPoint(step, 0, step));
        }
        Assert.Equal(history.Points, resumed.Points);
    }
}
