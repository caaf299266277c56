"""PyTorch eager baseline for decoding: tokens per second of one recurrent step after the other, batch 1, no gradients.

    python3 torch_decode.py [--dim 256 --layers 4 --heads 4 --vocab 256 --batch 1] [--steps 200] [--threads 2]

The gated_delta model of torch_lm.py, token by token, as a user would write it: three convolution tails and one matrix memory a layer.
The steps are compared with the parallel form before anything is timed.
"""
import argparse, json, statistics, time
import torch
from torch.nn import functional as F
import torch_lm

def new_state(a):
    width = a.dim // a.heads
    return [dict(tails=[torch.zeros(a.batch, 3, a.dim) for _ in range(3)], S=torch.zeros(a.batch, a.heads, width, width)) for _ in range(a.layers)]

def mix(m, x, s):
    B, D = x.shape; q_k_v = []
    for i, (projection, weight) in enumerate(zip((m.q, m.k, m.v), m.conv)):
        window = torch.cat([s["tails"][i], projection(x)[:, None]], 1)
        s["tails"][i] = window[:, 1:]
        q_k_v.append(F.silu((window * weight.t()).sum(1)).reshape(B, m.h, -1))
    q, k, v = F.normalize(q_k_v[0], dim=-1), F.normalize(q_k_v[1], dim=-1), q_k_v[2]
    decay = torch.exp(-m.A.exp() * F.softplus(m.a(x) + m.dt))
    S = s["S"] * decay[..., None, None]
    written = (v - (S * k[..., None]).sum(-2)) * torch.sigmoid(m.beta(x))[..., None]
    s["S"] = S = S + k[..., None] * written[..., None, :]
    o = (S * q[..., None]).sum(-2) * q.shape[-1] ** -0.5
    return m.out((m.norm(o) * F.silu(m.g(x).reshape(B, m.h, -1))).reshape(B, D))

def step(m, token, state):
    x = m.embed(token)
    for block, s in zip(m.blocks, state):
        x = x + mix(block.mixer, block.n1(x), s); y = block.n2(x)
        x = x + block.w2(F.silu(block.w1(y)) * block.w3(y))
    return m.head(m.norm(x))

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    for n, d in dict(dim=256, layers=4, heads=4, vocab=256, batch=1, steps=200, threads=2).items(): p.add_argument(f"--{n}", type=int, default=d)
    a = p.parse_args(); a.mixer = "gated_delta"; torch.manual_seed(0); torch.set_num_threads(a.threads)
    m, ts = torch_lm.LM(a), []
    with torch.no_grad():
        x, state = torch.randint(a.vocab, (a.batch, 64)), new_state(a)
        error = (torch.stack([step(m, t, state) for t in x.unbind(1)], 1) - m(x)).abs().max().item()
        assert error < 1e-4, f"the steps differ from the parallel form by {error}"
        for _ in range(a.steps):
            token = torch.randint(a.vocab, (a.batch,)); t = time.perf_counter(); step(m, token, state); ts.append(time.perf_counter() - t)
    print(json.dumps(dict(tokens_per_second=round(a.batch / statistics.median(ts), 1), error=error)))
