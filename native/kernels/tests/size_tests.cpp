// Offsets beyond 2^31 elements: address space is reserved, only the touched pages exist.
#include <sys/mman.h>

#include <utility>

#include "test.h"

namespace {

constexpr int64_t Far = (int64_t{1} << 31) + 24; // elements between two batch rows

class Sparse {
public:
    Sparse() : memory_(mmap(nullptr, Bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
    ~Sparse() { munmap(memory_, Bytes); }
    Sparse(const Sparse&) = delete;

    float* row(int64_t b) { return static_cast<float*>(memory_) + b * Far; }
    bool valid() const { return memory_ != MAP_FAILED; }

private:
    static constexpr size_t Bytes = (static_cast<size_t>(Far) + (1 << 20)) * sizeof(float);
    void* memory_;
};

TEST(sizes_beyond_32_bits) {
    const int64_t T = 20, K = 16, n = T * K;
    Sparse q, k, v, o, dq, dk, dv;
    for (Sparse* s : {&q, &k, &v, &o, &dq, &dk, &dv})
        if (!s->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    Values noise_q = noise(n, -1, 1, 1), noise_k = noise(n, -0.25, 0.25, 2), noise_v = noise(n, -1, 1, 3);
    for (int64_t b = 0; b < 2; b++)
        for (int64_t i = 0; i < n; i++) q.row(b)[i] = (float)noise_q[i], k.row(b)[i] = (float)noise_k[i], v.row(b)[i] = (float)noise_v[i];
    std::vector<float> beta(2 * T, 0.5f);
    auto rows = [&](Sparse& s) { return memgen_tensor{s.row(0), {Far, K, K, 1}}; };
    memgen_gated_delta_rule_args a{};
    a.struct_size = sizeof a, a.batch = 2, a.tokens = T, a.heads = 1, a.key_dim = a.value_dim = K, a.scale = 1;
    a.q = rows(q), a.k = rows(k), a.v = rows(v), a.o = rows(o), a.d_o = rows(v), a.d_q = rows(dq), a.d_k = rows(dk), a.d_v = rows(dv);
    a.beta = {beta.data(), {T, 1, 1, 0}};
    Scratch first(memgen_gated_delta_rule_workspace_size(&a, 0)), second(memgen_gated_delta_rule_workspace_size(&a, 1));
    EXPECT_STATUS(MEMGEN_OK, memgen_gated_delta_rule_forward(&a, first.data, first.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_gated_delta_rule_backward(&a, second.data, second.size, nullptr));
    for (Sparse* s : {&o, &dq, &dk, &dv}) {
        EXPECT(!std::memcmp(s->row(0), s->row(1), sizeof(float) * n));
        EXPECT(s->row(1)[n - 1] != 0.0f);
    }
}

// One row of 2^27 and some tokens, of which two short segments are touched: the second begins beyond 2^31 elements.
TEST(segments_beyond_32_bits) {
    const int64_t K = 16, length = 70, n = length * K;
    int64_t starts[] = {3, (int64_t{1} << 27) + 2}, lengths[] = {length, length};
    Sparse q, k, v, o, dq, dk, dv, beta;
    for (Sparse* s : {&q, &k, &v, &o, &dq, &dk, &dv, &beta})
        if (!s->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    Values noise_q = noise(n, -1, 1, 1), noise_k = noise(n, -0.25, 0.25, 2), noise_v = noise(n, -1, 1, 3);
    for (int64_t start : starts)
        for (int64_t i = 0; i < n; i++) {
            q.row(0)[start * K + i] = (float)noise_q[i], k.row(0)[start * K + i] = (float)noise_k[i], v.row(0)[start * K + i] = (float)noise_v[i];
            beta.row(0)[start + i / K] = 0.5f;
        }
    auto tokens = [&](Sparse& s) { return memgen_tensor{s.row(0), {0, K, K, 1}}; };
    memgen_gated_delta_rule_args a{};
    a.struct_size = sizeof a, a.batch = 1, a.tokens = starts[1] + length, a.heads = 1, a.key_dim = a.value_dim = K, a.scale = 1, a.segments = {2, starts, lengths};
    a.q = tokens(q), a.k = tokens(k), a.v = tokens(v), a.o = tokens(o), a.d_o = tokens(v), a.d_q = tokens(dq), a.d_k = tokens(dk), a.d_v = tokens(dv);
    a.beta = {beta.row(0), {0, 1, 1, 0}};
    Scratch first(memgen_gated_delta_rule_workspace_size(&a, 0)), second(memgen_gated_delta_rule_workspace_size(&a, 1)), kept(memgen_gated_delta_rule_checkpoint_size(&a));
    EXPECT(kept.size == 2 * K * K * sizeof(float));
    a.checkpoints = kept.data;
    EXPECT_STATUS(MEMGEN_OK, memgen_gated_delta_rule_forward(&a, first.data, first.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_gated_delta_rule_backward(&a, second.data, second.size, nullptr));
    for (Sparse* s : {&o, &dq, &dk, &dv}) {
        EXPECT(!std::memcmp(s->row(0) + starts[0] * K, s->row(0) + starts[1] * K, sizeof(float) * n));
        EXPECT(s->row(0)[starts[1] * K + n - 1] != 0.0f);
    }
}

TEST(segments_that_start_beyond_32_bits) {
    const int64_t length = 20;
    int64_t starts[] = {int64_t{1} << 31, 7}, lengths[] = {length, length};
    Sparse a, b, h, da, db;
    for (Sparse* s : {&a, &b, &h, &da, &db})
        if (!s->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    Values factors = noise(length, 0, 1, 4), inputs = noise(length, -1, 1, 5);
    for (int64_t start : starts)
        for (int64_t i = 0; i < length; i++) a.row(0)[start + i] = (float)factors[i], b.row(0)[start + i] = (float)inputs[i];
    auto tokens = [&](Sparse& s) { return memgen_tensor{s.row(0), {0, 1, 1, 0}}; };
    memgen_linear_scan_args x{};
    x.struct_size = sizeof x, x.batch = 1, x.tokens = starts[0] + length, x.channels = 1, x.segments = {2, starts, lengths};
    x.a = tokens(a), x.b = tokens(b), x.h = tokens(h), x.d_h = tokens(b), x.d_a = tokens(da), x.d_b = tokens(db);
    Scratch scratch(memgen_linear_scan_workspace_size(&x, 1));
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_forward(&x, scratch.data, scratch.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_scan_backward(&x, scratch.data, scratch.size, nullptr));
    for (Sparse* s : {&h, &da, &db}) {
        EXPECT(!std::memcmp(s->row(0) + starts[0], s->row(0) + starts[1], sizeof(float) * length));
        EXPECT(s->row(0)[starts[0] + length - 1] != 0.0f);
    }
}

TEST(scans_and_convolutions_beyond_32_bits) {
    const int64_t T = 20, C = 18, N = 3, W = 4, n = T * C;
    Sparse u, delta, Bm, Cm, y, du, dd, dB, dC, s, ds;
    for (Sparse* each : {&u, &delta, &Bm, &Cm, &y, &du, &dd, &dB, &dC, &s, &ds})
        if (!each->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    Values inputs = noise(n, -1, 1, 1), steps = noise(n, 0, 0.5, 2), vectors = noise(n, -1, 1, 3), rates = noise(C * N, -4, -0.1, 4), taps = noise(C * W, -1, 1, 5);
    for (int64_t b = 0; b < 2; b++)
        for (int64_t i = 0; i < n; i++) {
            u.row(b)[i] = (float)inputs[i], delta.row(b)[i] = (float)steps[i];
            if (i < T * N) Bm.row(b)[i] = (float)vectors[i], Cm.row(b)[i] = (float)vectors[n - 1 - i];
        }
    std::vector<float> A(rates.begin(), rates.end()), weight(taps.begin(), taps.end());
    auto rows = [&](Sparse& each, int64_t width) { return memgen_tensor{each.row(0), {Far, width, 1, 0}}; };
    memgen_selective_scan_args a{};
    a.struct_size = sizeof a, a.batch = 2, a.tokens = T, a.channels = C, a.state_dim = N;
    a.u = rows(u, C), a.delta = rows(delta, C), a.A = {A.data(), {N, 1, 0, 0}}, a.B = rows(Bm, N), a.C = rows(Cm, N), a.y = rows(y, C), a.d_y = rows(u, C);
    a.d_u = rows(du, C), a.d_delta = rows(dd, C), a.d_B = rows(dB, N), a.d_C = rows(dC, N), a.final_state = rows(s, N), a.d_initial_state = rows(ds, N);
    Scratch first(memgen_selective_scan_workspace_size(&a, 0)), second(memgen_selective_scan_workspace_size(&a, 1)), kept(memgen_selective_scan_checkpoint_size(&a));
    a.checkpoints = kept.data;
    EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_forward(&a, first.data, first.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_selective_scan_backward(&a, second.data, second.size, nullptr));
    for (auto [each, count] : {std::pair{&y, n}, {&du, n}, {&dd, n}, {&dB, T * N}, {&dC, T * N}, {&s, C * N}, {&ds, C * N}}) {
        EXPECT(!std::memcmp(each->row(0), each->row(1), sizeof(float) * static_cast<size_t>(count)));
        EXPECT(each->row(1)[count - 1] != 0.0f);
    }

    Sparse o, dx;
    if (!o.valid() || !dx.valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    memgen_causal_conv_args c{};
    c.struct_size = sizeof c, c.batch = 2, c.tokens = T, c.channels = C, c.width = W;
    c.x = rows(u, C), c.weight = {weight.data(), {W, 1, 0, 0}}, c.y = rows(o, C), c.d_y = rows(delta, C), c.d_x = rows(dx, C);
    Scratch forward(memgen_causal_conv_workspace_size(&c, 0)), backward(memgen_causal_conv_workspace_size(&c, 1));
    EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_forward(&c, forward.data, forward.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_causal_conv_backward(&c, backward.data, backward.size, nullptr));
    for (Sparse* each : {&o, &dx}) {
        EXPECT(!std::memcmp(each->row(0), each->row(1), sizeof(float) * n));
        EXPECT(each->row(1)[n - 1] != 0.0f);
    }
}

// Two rows of a batch, and in each of them two heads, stand further apart than 32 bits count.
TEST(attention_beyond_32_bits) {
    const int64_t T = 20, K = 16, window = 6, slots = 3, fading = 5, chunk = 4, chunks = T / chunk, n = T * K;
    Sparse q, k, v, f, g, sk, sv, o, d_o, dq, dk, dv, df, dg, dsk, dsv;
    for (Sparse* each : {&q, &k, &v, &f, &g, &sk, &sv, &o, &d_o, &dq, &dk, &dv, &df, &dg, &dsk, &dsv})
        if (!each->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    uint32_t seed = 1;
    for (Sparse* each : {&q, &k, &v, &f, &g, &sk, &sv, &d_o}) {
        Values x = noise(n, -1, 1, seed++);
        for (int64_t b = 0; b < 2; b++)
            for (int64_t i = 0; i < n; i++) each->row(b)[i] = (float)x[i];
    }
    // Once the rows of a batch are far apart, once the heads of one row.
    for (bool by_heads : {false, true}) {
        auto rows = [&](Sparse& each) { return memgen_tensor{each.row(0), {by_heads ? 0 : Far, K, by_heads ? Far : 0, 1}}; };
        memgen_segment_attention_args a{};
        a.struct_size = sizeof a, a.batch = by_heads ? 1 : 2, a.tokens = T, a.heads = a.key_heads = by_heads ? 2 : 1, a.key_dim = a.value_dim = K, a.keys_per_token = 1;
        a.window = window, a.chunk = chunk, a.chunks = chunks, a.slots = slots, a.fading_count = fading, a.fading_stride = 1, a.fading_offset = -1, a.scale = 0.25;
        a.q = rows(q), a.k = rows(k), a.v = rows(v), a.slot_k = rows(sk), a.slot_v = rows(sv), a.fading_k = rows(f), a.fading_v = rows(g), a.o = rows(o), a.d_o = rows(d_o);
        a.d_q = rows(dq), a.d_k = rows(dk), a.d_v = rows(dv), a.d_slot_k = rows(dsk), a.d_slot_v = rows(dsv), a.d_fading_k = rows(df), a.d_fading_v = rows(dg);
        std::vector<float> logs(2 * T);
        a.logs = logs.data();
        Scratch first(memgen_segment_attention_workspace_size(&a, 0)), second(memgen_segment_attention_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_segment_attention_forward(&a, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, memgen_segment_attention_backward(&a, second.data, second.size, nullptr));
        for (auto [each, count] : {std::pair{&o, n}, {&dq, n}, {&dk, n}, {&dv, n}, {&dsk, chunks * slots * K}, {&dsv, chunks * slots * K}, {&df, n}, {&dg, n}}) {
            EXPECT(!std::memcmp(each->row(0), each->row(1), sizeof(float) * static_cast<size_t>(count)));
            // The last fading keys are those of tokens that no query has behind its window.
            EXPECT(each->row(1)[each == &df || each == &dg ? 0 : count - 1] != 0.0f);
            std::memset(each->row(0), 0, sizeof(float) * n), std::memset(each->row(1), 0, sizeof(float) * n);
        }
    }
}

// The other memories as above: rows of a batch that are far apart; gates are those of both.
TEST(memories_beyond_32_bits) {
    const int64_t T = 20, K = 16, n = T * K;
    Sparse q, k, v, o, d_o, dq, dk, dv;
    Sparse* all[] = {&q, &k, &v, &o, &d_o, &dq, &dk, &dv};
    for (Sparse* s : all)
        if (!s->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    uint32_t seed = 1;
    for (Sparse* s : {&q, &k, &v, &d_o}) {
        Values x = noise(n, 0.05, 0.3, seed++);
        for (int64_t b = 0; b < 2; b++)
            for (int64_t i = 0; i < n; i++) s->row(b)[i] = (float)x[i];
    }
    auto rows = [&](Sparse& s) { return memgen_tensor{s.row(0), {Far, K, K, 1}}; };
    auto fill = [&](auto& a) {
        a.struct_size = sizeof a, a.batch = 2, a.tokens = T, a.heads = 1;
        a.q = rows(q), a.k = rows(k), a.v = rows(v), a.o = rows(o), a.d_o = rows(d_o), a.d_q = rows(dq), a.d_k = rows(dk), a.d_v = rows(dv);
    };
    auto run = [&](auto& a, auto workspace, auto checkpoints, auto forward, auto backward) {
        Scratch first(workspace(&a, 0)), second(workspace(&a, 1)), kept(checkpoints(&a));
        a.checkpoints = kept.data;
        EXPECT_STATUS(MEMGEN_OK, forward(&a, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, backward(&a, second.data, second.size, nullptr));
        for (Sparse* s : {&o, &dq, &dk, &dv}) {
            EXPECT(!std::memcmp(s->row(0), s->row(1), sizeof(float) * n));
            EXPECT(s->row(1)[n - 1] != 0.0f || (s == &dk && s->row(1)[0] != 0.0f));
            std::memset(s->row(0), 0, sizeof(float) * n), std::memset(s->row(1), 0, sizeof(float) * n);
        }
    };
    std::vector<float> gates(n, -0.25f), steps(T, 0.125f), divisors(2 * T);
    memgen_tensor each_token{steps.data(), {0, 1, 1, 0}};

    memgen_scalar_decay_args scalar{};
    fill(scalar);
    scalar.key_dim = scalar.value_dim = K, scalar.scale = 1, scalar.log_decay = {gates.data(), {0, 1, 1, 0}};
    run(scalar, memgen_scalar_decay_workspace_size, memgen_scalar_decay_checkpoint_size, memgen_scalar_decay_forward, memgen_scalar_decay_backward);

    memgen_channel_decay_args channel = scalar;
    channel.log_decay = {gates.data(), {0, K, K, 1}};
    run(channel, memgen_channel_decay_workspace_size, memgen_channel_decay_checkpoint_size, memgen_channel_decay_forward, memgen_channel_decay_backward);

    memgen_channel_delta_rule_args channel_delta = channel;
    channel_delta.beta = each_token;
    run(channel_delta, memgen_channel_delta_rule_workspace_size, memgen_channel_delta_rule_checkpoint_size, memgen_channel_delta_rule_forward, memgen_channel_delta_rule_backward);

    memgen_generalized_delta_rule_args generalized = channel;
    generalized.a = generalized.b = generalized.k;
    run(generalized, memgen_generalized_delta_rule_workspace_size, memgen_generalized_delta_rule_checkpoint_size, memgen_generalized_delta_rule_forward, memgen_generalized_delta_rule_backward);

    memgen_linear_attention_normalized_args normalized{};
    fill(normalized);
    normalized.key_dim = normalized.value_dim = K, normalized.scale = 1, normalized.divisors = divisors.data();
    run(normalized, memgen_linear_attention_normalized_workspace_size, memgen_linear_attention_normalized_checkpoint_size,
        memgen_linear_attention_normalized_forward, memgen_linear_attention_normalized_backward);

    memgen_titans_args titans{};
    fill(titans);
    titans.layers = 1, titans.block = 8, titans.dims[0] = titans.dims[1] = K, titans.momentum = 1;
    titans.theta = titans.eta = titans.alpha = each_token;
    run(titans, memgen_titans_workspace_size, memgen_titans_checkpoint_size, memgen_titans_forward, memgen_titans_backward);
}

TEST(rows_beyond_32_bits) {
    const int64_t N = 40;
    Sparse x, g, y, d_y, dx, dg, w, dw;
    for (Sparse* s : {&x, &g, &y, &d_y, &dx, &dg, &w, &dw})
        if (!s->valid()) return report_failure(__FILE__, __LINE__, "this system does not reserve 8 GiB of address space");
    uint32_t seed = 1;
    for (Sparse* s : {&x, &g, &d_y, &w}) {
        Values drawn = noise(N, -1, 1, seed++);
        for (int64_t r = 0; r < 2; r++)
            for (int64_t i = 0; i < N; i++) s->row(r)[i] = (float)drawn[i];
    }
    auto rows = [](Sparse& s) { return memgen_tensor{s.row(0), {Far, 1, 0, 0}}; };
    auto check = [&](std::initializer_list<Sparse*> written, int64_t count) {
        for (Sparse* s : written) {
            EXPECT(!std::memcmp(s->row(0), s->row(1), sizeof(float) * static_cast<size_t>(count)));
            EXPECT(s->row(1)[count - 1] != 0.0f);
            std::memset(s->row(0), 0, sizeof(float) * N), std::memset(s->row(1), 0, sizeof(float) * N);
        }
    };
    auto run = [&](auto& a, auto workspace, auto forward, auto backward) {
        a.struct_size = sizeof a;
        Scratch first(workspace(&a, 0)), second(workspace(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, forward(&a, first.data, first.size, nullptr));
        EXPECT_STATUS(MEMGEN_OK, backward(&a, second.data, second.size, nullptr));
    };

    memgen_rms_norm_args norm{};
    norm.rows = 2, norm.features = N, norm.epsilon = 1e-6;
    norm.x = rows(x), norm.gate = rows(g), norm.y = rows(y), norm.d_y = rows(d_y), norm.d_x = rows(dx), norm.d_gate = rows(dg);
    run(norm, memgen_rms_norm_workspace_size, memgen_rms_norm_forward, memgen_rms_norm_backward);
    check({&y, &dx, &dg}, N);

    memgen_unit_length_args unit{};
    unit.rows = 2, unit.features = N, unit.epsilon = 1e-6, unit.x = rows(x), unit.y = rows(y), unit.d_y = rows(d_y), unit.d_x = rows(dx);
    run(unit, memgen_unit_length_workspace_size, memgen_unit_length_forward, memgen_unit_length_backward);
    check({&y, &dx}, N);

    memgen_swiglu_args swiglu{};
    swiglu.rows = 2, swiglu.features = N, swiglu.gate = rows(g), swiglu.up = rows(x), swiglu.y = rows(y), swiglu.d_y = rows(d_y), swiglu.d_gate = rows(dg), swiglu.d_up = rows(dx);
    run(swiglu, memgen_swiglu_workspace_size, memgen_swiglu_forward, memgen_swiglu_backward);
    check({&y, &dg, &dx}, N);

    memgen_softplus_args softplus{};
    softplus.rows = 2, softplus.features = N, softplus.x = rows(x), softplus.y = rows(y), softplus.d_y = rows(d_y), softplus.d_x = rows(dx);
    run(softplus, memgen_softplus_workspace_size, memgen_softplus_forward, memgen_softplus_backward);
    check({&y, &dx}, N);

    memgen_rotary_args rotary{};
    rotary.rows = 2, rotary.heads = 2, rotary.features = N / 2, rotary.places = 2, rotary.cosines = rows(g), rotary.sines = rows(w);
    rotary.x = rows(x), rotary.y = rows(y), rotary.d_y = rows(d_y), rotary.d_x = rows(dx);
    run(rotary, memgen_rotary_workspace_size, memgen_rotary_forward, memgen_rotary_backward);
    check({&y, &dx}, N);

    const int64_t targets[] = {N - 1, N - 1};
    float losses[2], upstream[] = {1, 1};
    memgen_cross_entropy_args loss{};
    loss.rows = 2, loss.classes = N, loss.ignored_target = -100, loss.gradient_scale = 1;
    loss.logits = rows(x), loss.targets = targets, loss.losses = {losses, {1, 0, 0, 0}}, loss.d_losses = {upstream, {1, 0, 0, 0}}, loss.d_logits = rows(dx);
    run(loss, memgen_cross_entropy_workspace_size, memgen_cross_entropy_forward, memgen_cross_entropy_backward);
    check({&dx}, N);
    EXPECT(losses[0] == losses[1] && losses[0] > 0.0f);

    // Rows of the weight too are far apart.
    memgen_linear_args linear{};
    linear.rows = linear.out_features[0] = 2, linear.in_features = N, linear.count = 1;
    linear.x = rows(x), linear.weights[0] = rows(w), linear.y[0] = rows(y), linear.d_y[0] = rows(d_y), linear.d_x = rows(dx), linear.d_weights[0] = rows(dw);
    d_y.row(0)[1] = d_y.row(1)[1] = d_y.row(0)[0];
    run(linear, memgen_linear_workspace_size, memgen_linear_forward, memgen_linear_backward);
    EXPECT(y.row(0)[0] == y.row(0)[1]);
    check({&y}, 2);
    check({&dx, &dw}, N);
}

TEST(sizes_that_no_memory_holds) {
    memgen_gated_delta_rule_args a{};
    a.struct_size = sizeof a, a.batch = 1 << 20, a.tokens = 1 << 20, a.heads = 64, a.key_dim = a.value_dim = 128;
    EXPECT(memgen_gated_delta_rule_checkpoint_size(&a) == (int64_t{1} << 26) * ((1 << 20) / 128 - 1) * 128 * 128 * 4);
    a.tokens = int64_t{1} << 40;
    EXPECT(memgen_gated_delta_rule_checkpoint_size(&a) == -1);
}

} // namespace
