"""flash-linear-attention's Triton kernels at the shapes of the project's own CUDA benchmark, in bfloat16.

    python3 fla_ops.py [--only NAME]

Prints one JSON line per operator and shape: milliseconds for forward and for forward+backward (median of 20 after warm-up,
by CUDA events). Prints nothing where torch has no CUDA device or fla is not installed.
"""
import argparse, json, statistics

SHAPES = [(8, 8192, 16, 128, 128), (8, 1024, 8, 64, 64), (1, 32768, 8, 128, 128)]


def milliseconds(torch, call):
    for _ in range(3):
        call()
    times = []
    for _ in range(20):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    only = parser.parse_args().only.lower()
    try:
        import torch
        from fla.ops.delta_rule import chunk_delta_rule
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule
        from fla.ops.gla import chunk_gla
        from fla.ops.linear_attn import chunk_linear_attn
        from fla.ops.simple_gla import chunk_simple_gla
    except ImportError:
        return
    try:
        from fla.ops.kda import chunk_kda
    except ImportError:  # of an older fla
        chunk_kda = None
    try:
        from fla.ops.generalized_delta_rule import chunk_dplr_delta_rule
    except ImportError:
        chunk_dplr_delta_rule = None
    if not torch.cuda.is_available():
        return
    for B, T, H, K, V in SHAPES:
        make = lambda *shape: torch.randn(*shape, device="cuda", dtype=torch.bfloat16)
        q, k, v = make(B, T, H, K), torch.nn.functional.normalize(make(B, T, H, K), dim=-1), make(B, T, H, V)
        beta = torch.rand(B, T, H, device="cuda", dtype=torch.bfloat16)
        g, channels = -0.1 * torch.rand(B, T, H, device="cuda"), -0.1 * torch.rand(B, T, H, K, device="cuda")
        calls = {
            "linear_attention": ((q, k, v), lambda q, k, v: chunk_linear_attn(q, k, v, normalize=False)),
            "scalar_decay": ((q, k, v, g), lambda q, k, v, g: chunk_simple_gla(q, k, v, g=g)),
            "channel_decay": ((q, k, v, channels), lambda q, k, v, g: chunk_gla(q, k, v, g)),
            "delta_rule": ((q, k, v, beta), lambda q, k, v, b: chunk_delta_rule(q, k, v, b)),
            "gated_delta_rule": ((q, k, v, beta, g), lambda q, k, v, b, g: chunk_gated_delta_rule(q, k, v, g=g, beta=b)),
        }
        if chunk_kda:
            calls["channel_delta_rule"] = ((q, k, v, beta, channels), lambda q, k, v, b, g: chunk_kda(q, k, v, g=g, beta=b))
        if chunk_dplr_delta_rule:
            low_rank = -k, k * torch.rand_like(k)
            calls["generalized_delta_rule"] = ((q, k, v, *low_rank, channels), lambda q, k, v, a, b, g: chunk_dplr_delta_rule(q, k, v, a, b, gk=g))
        for name, (inputs, call) in calls.items():
            if only not in name:
                continue
            output = lambda x: call(*x)[0]
            with torch.no_grad():
                forward = milliseconds(torch, lambda: output(inputs))
            leaves = [x.detach().requires_grad_() for x in inputs]
            upstream = torch.ones_like(output(inputs))
            both = milliseconds(torch, lambda: torch.autograd.grad(output(leaves), leaves, upstream))
            print(json.dumps({"op": name, "shape": {"B": B, "T": T, "H": H, "K": K, "V": V}, "forward_ms": forward, "forward_backward_ms": both}), flush=True)


main()
