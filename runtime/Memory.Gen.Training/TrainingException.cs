namespace Memory.Gen.Training;

/// <summary>Training cannot start or cannot go on; the message says why and what to do. Checkpoints that were saved are as they were.</summary>
/// <param name="message">A sentence for a person.</param>
public sealed class TrainingException(string message) : Exception(message);
