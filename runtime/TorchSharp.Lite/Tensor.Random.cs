using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor normal_(double mean = 0, double std = 1, Generator? generator = null) =>
            Changed(LibTorch.lt_normal_(Handle, mean, std, torch.HandleOf(generator)), generator);
        public Tensor uniform_(double from, double to, Generator? generator = null) =>
            Changed(LibTorch.lt_uniform_(Handle, from, to, torch.HandleOf(generator)), generator);
        public Tensor bernoulli_(Tensor p, Generator? generator = null) => Ops.bernoulli__Tensor.Change(this, p, generator);
        public Tensor bernoulli_(double p = 0.5, Generator? generator = null) => Changed(LibTorch.lt_bernoulli_(Handle, p, torch.HandleOf(generator)), generator);
        public Tensor random_(double from, double to, Generator? generator = null) => Ops.random__from.Change(this, (long)from, (long)to, generator);
        public Tensor exponential_(double lambda = 1, Generator? generator = null) => Ops.exponential_.Change(this, lambda, generator);
        public Tensor cauchy_(double median = 0, double sigma = 1, Generator? generator = null) => Ops.cauchy_.Change(this, median, sigma, generator);
        public Tensor log_normal_(double mean = 0, double std = 1, Generator? generator = null) => Ops.log_normal_.Change(this, mean, std, generator);
        public Tensor geometric_(double p, Generator? generator = null) => Ops.geometric_.Change(this, p, generator);
        public Tensor bernoulli(Generator? generator = null) => Ops.bernoulli.Call(this, generator);
        public Tensor binomial(Tensor prob, Generator? generator = null) => Ops.binomial.Call(this, prob, generator);
        public Tensor poisson(Generator? generator = null) => Ops.poisson.Call(this, generator);
        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null) =>
            Made(LibTorch.lt_multinomial(Handle, num_samples, replacement ? 1 : 0, torch.HandleOf(generator)), this, generator);
    }
}
