using Memory.Gen.Runtime.Tests.Training;

// Tests that need a process of their own, to kill it, start this one with a word that says what to do.
return args switch
{
    ["train", var folder, var steps] => TrainingChild.Run(folder, long.Parse(steps)),
    _ => 2,
};
