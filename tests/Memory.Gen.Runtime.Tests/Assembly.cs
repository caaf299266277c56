using Xunit;

// One default random generator, one thread count and one environment for the whole process: tests that set them take turns.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
