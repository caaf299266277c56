namespace Memory.Gen.Training;

/// <summary>How a run stands after a step.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Fraction">Share of the run that is done, 0 to 1.</param>
/// <param name="Loss">The step's loss, in nats a token.</param>
/// <param name="BitsPerByte">The same in bits a byte of text.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="GradientNorm">The gradient's norm before clipping.</param>
/// <param name="TokensPerSecond">Tokens predicted a second, over the last steps.</param>
/// <param name="Elapsed">Time spent in steps.</param>
/// <param name="Left">Time the remaining steps will take.</param>
/// <param name="Tokens">Tokens predicted since the run began.</param>
/// <param name="Bytes">Bytes of text they stand for.</param>
/// <param name="Epoch">Times that the whole text has been dealt out.</param>
public sealed record TrainingProgress(
    long Step, double Fraction, double Loss, double BitsPerByte, double LearningRate, double GradientNorm, double TokensPerSecond,
    TimeSpan Elapsed, TimeSpan Left, long Tokens, long Bytes, long Epoch);

/// <summary>How a run ended.</summary>
public enum TrainingOutcome
{
    /// <summary>All steps, or all the time, was used.</summary>
    Finished,

    /// <summary>Someone asked it to stop; it can be resumed.</summary>
    Stopped,
}
