using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public class OptimizerTests
{
    private const int Steps = 7;
    private static readonly double[] Start = Numbers.Sequence(6);

    // The loss sum(p^3 / 3 + p) has the gradient p^2 + 1.
    private static double Gradient(double p) => p * p + 1;

    private static void Backward(Parameter p)
    {
        using var scope = NewDisposeScope();
        (p.pow(3) / 3 + p).sum().backward();
    }

    private static double[] Run(Parameter p, optim.Optimizer optimizer, Action<int>? between = null)
    {
        for (int step = 0; step < Steps; step++)
        {
            between?.Invoke(step);
            optimizer.zero_grad();
            Backward(p);
            optimizer.step();
        }
        return Numbers.Values(p);
    }

    [Theory]
    [InlineData(0.0, false, false)]
    [InlineData(0.1, false, false)]
    [InlineData(0.1, true, false)]
    [InlineData(0.01, false, true)]
    public void AdamW_follows_its_paper(double decay, bool amsgrad, bool maximize)
    {
        const double Rate = 0.05, Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6;
        double[] p = [.. Start], m = new double[6], v = new double[6], top = new double[6];
        for (int step = 1; step <= Steps; step++)
            for (int i = 0; i < p.Length; i++)
            {
                double g = maximize ? -Gradient(p[i]) : Gradient(p[i]);
                p[i] -= Rate * decay * p[i];
                m[i] = Beta1 * m[i] + (1 - Beta1) * g;
                v[i] = Beta2 * v[i] + (1 - Beta2) * g * g;
                top[i] = amsgrad ? Math.Max(top[i], v[i]) : v[i];
                p[i] -= Rate * (m[i] / (1 - Math.Pow(Beta1, step))) / (Math.Sqrt(top[i] / (1 - Math.Pow(Beta2, step))) + Epsilon);
            }

        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor(Start));
        using var optimizer = optim.AdamW([parameter], Rate, Beta1, Beta2, Epsilon, decay, amsgrad, maximize);
        Numbers.AssertClose(p, Run(parameter, optimizer));
    }

    [Fact]
    public void Adam_adds_the_decay_to_the_gradient()
    {
        const double Rate = 0.05, Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8, Decay = 0.1;
        double[] p = [.. Start], m = new double[6], v = new double[6];
        for (int step = 1; step <= Steps; step++)
            for (int i = 0; i < p.Length; i++)
            {
                double g = Gradient(p[i]) + Decay * p[i];
                m[i] = Beta1 * m[i] + (1 - Beta1) * g;
                v[i] = Beta2 * v[i] + (1 - Beta2) * g * g;
                p[i] -= Rate * (m[i] / (1 - Math.Pow(Beta1, step))) / (Math.Sqrt(v[i] / (1 - Math.Pow(Beta2, step))) + Epsilon);
            }

        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor(Start));
        using var optimizer = optim.Adam([parameter], Rate, weight_decay: Decay);
        Numbers.AssertClose(p, Run(parameter, optimizer));
    }

    [Theory]
    [InlineData(0, 0, 0, false)]
    [InlineData(0.9, 0, 0, false)]
    [InlineData(0.9, 0.5, 0.1, false)]
    [InlineData(0.9, 0, 0.1, true)]
    public void Sgd_follows_its_formula(double momentum, double dampening, double decay, bool nesterov)
    {
        const double Rate = 0.02;
        double[] p = [.. Start], buffer = new double[6];
        for (int step = 1; step <= Steps; step++)
            for (int i = 0; i < p.Length; i++)
            {
                double g = Gradient(p[i]) + decay * p[i];
                buffer[i] = step == 1 ? g : momentum * buffer[i] + (1 - dampening) * g;
                p[i] -= Rate * (momentum == 0 ? g : nesterov ? g + momentum * buffer[i] : buffer[i]);
            }

        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor(Start));
        using var optimizer = optim.SGD([parameter], Rate, momentum, dampening, decay, nesterov);
        Numbers.AssertClose(p, Run(parameter, optimizer));
    }

    [Fact]
    public void Groups_keep_their_own_rate_and_decay()
    {
        using var scope = NewDisposeScope();
        var frozen = new Parameter(Numbers.Tensor(Start));
        var decayed = new Parameter(Numbers.Tensor(Start));
        using var optimizer = optim.AdamW(
        [
            new AdamW.ParamGroup([frozen], lr: 0),
            new AdamW.ParamGroup { Parameters = [decayed], Options = new AdamW.Options { weight_decay = 1 } },
        ], lr: 0.1);
        foreach (Parameter p in (Parameter[])[frozen, decayed]) p.grad = zeros_like(p);
        optimizer.step();
        Numbers.AssertClose(Start, Numbers.Values(frozen));
        Numbers.AssertClose([.. Start.Select(x => x * 0.9)], Numbers.Values(decayed));
        Assert.Equal([0, 0.1], optimizer.ParamGroups.Select(g => g.LearningRate));
    }

    [Fact]
    public void A_parameter_without_gradient_is_left_alone()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor(Start));
        using var optimizer = optim.AdamW([parameter], 0.1, weight_decay: 0.5);
        optimizer.step();
        Numbers.AssertClose(Start, Numbers.Values(parameter));
    }

    [Theory]
    [InlineData("AdamW")]
    [InlineData("Adam")]
    [InlineData("SGD")]
    public void A_step_leaves_the_number_of_tensors_unchanged(string name)
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor(Start));
        using OptimizerHelper optimizer = Create(name, parameter);
        Numbers.AssertLeavesNothing(() =>
        {
            using var step = NewDisposeScope();
            optimizer.zero_grad();
            Backward(parameter);
            optimizer.step();
        });
    }

    [Theory]
    [InlineData("AdamW")]
    [InlineData("Adam")]
    [InlineData("SGD")]
    public void Saved_state_continues_to_the_same_bits(string name)
    {
        using var scope = NewDisposeScope();
        var first = new Parameter(Numbers.Tensor(Start));
        using OptimizerHelper optimizer = Create(name, first);
        Run(first, optimizer);
        using var stream = new MemoryStream();
        optimizer.save_state_dict(new BinaryWriter(stream));
        var second = new Parameter(first.detach().clone());
        using OptimizerHelper resumed = Create(name, second);
        stream.Position = 0;
        resumed.load_state_dict(new BinaryReader(stream));
        var third = new Parameter(first.detach().clone());
        using OptimizerHelper copied = Create(name, third);
        copied.load_state_dict(optimizer.state_dict());

        double[] expected = Run(first, optimizer);
        Assert.Equal(expected, Run(second, resumed));
        Assert.Equal(expected, Run(third, copied));
        Assert.True(optimizer.state_dict().State[0].ApproximatelyEquals(resumed.state_dict().State[0]));
    }

    [Fact]
    public void State_of_another_optimizer_is_refused()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor(Start));
        using var stream = new MemoryStream();
        Create("Adam", parameter).save_state_dict(new BinaryWriter(stream));
        stream.Position = 0;
        var error = Assert.Throws<InvalidDataException>(() => Create("SGD", parameter).load_state_dict(new BinaryReader(stream)));
        Assert.Contains("Adam", error.Message);
    }

    [Fact]
    public void A_closure_is_evaluated_with_gradients_and_its_loss_returned()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(Numbers.Tensor([2.0]));
        using var optimizer = optim.SGD([parameter], 0.1);
        using (no_grad())
        {
            Tensor? loss = optimizer.step(() =>
            {
                Tensor square = parameter.square().sum();
                square.backward();
                return square;
            });
            Numbers.AssertClose([4], Numbers.Values(loss));
        }
        Numbers.AssertClose([1.6], Numbers.Values(parameter));
    }

    private static OptimizerHelper Create(string name, Parameter parameter) => name switch
    {
        "AdamW" => optim.AdamW([parameter], 0.05, weight_decay: 0.1, amsgrad: true),
        "Adam" => optim.Adam([parameter], 0.05, weight_decay: 0.1),
        _ => optim.SGD([parameter], 0.01, momentum: 0.9, weight_decay: 0.1),
    };
}
