using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Generation;

[Collection(Models.AloneCollection.Name)]
public sealed class GenerationLeakTests
{
    [Fact]
    public void NothingIsLeftBehindAndGradientsStayOn()
    {
        var model = new CountingModel();
        long before = Models.ResourceTests.Settled();
        foreach (long _ in model.Generate([1], new GenerationOptions { Temperature = 0, MaxTokens = 5 }))
            Assert.True(is_grad_enabled());
        Assert.Equal(before, Tensor.TotalCount);
    }
}
