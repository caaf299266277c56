using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>The memory that training on long windows needs.</summary>
[Collection("Alone")]
public class PeakTests
{
    [Theory, InlineData("hmt"), InlineData("rmt"), InlineData("titans")]
    public void TrainingOnSixtyFourSegmentsNeedsTheMemoryOfEight(string name)
    {
        // A process of its own, whose peak no other test has raised; there one training follows the other.
        var (exitCode, output, errors) = ChildProcess.Run(typeof(PeakTests).Assembly, [], "peak", name);
        Assert.True(exitCode == 0, errors);
        double[] peaks = PeakMemory.Read(output);
        Assert.Equal(3, peaks.Length);
        Assert.True(peaks[1] > peaks[0] + 8, $"8 segments raised the peak from {peaks[0]} MB to {peaks[1]}: too little to tell");
        Assert.True(peaks[2] <= 1.2 * peaks[1], $"{peaks[2]} MB for 64 segments, {peaks[1]} MB for 8");
        // Also without what any process has; were the graphs of all stretches kept, it would be eight times as much.
        Assert.True(peaks[2] - peaks[0] <= 2 * (peaks[1] - peaks[0]), $"from {peaks[0]} MB to {peaks[1]} with 8 segments, and to {peaks[2]} with 64");
    }
}
