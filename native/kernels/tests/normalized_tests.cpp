// Normalised linear attention against its definition in double precision.
#include "test.h"

#include <memory>

namespace {

struct Normalized {
    int64_t B, T, H, K, V;
    bool initial;
    Values q, k, v, s, z, d_o, ds, dz;

    Normalized(int64_t B, int64_t T, int64_t H, int64_t K, int64_t V, bool initial, uint32_t seed) : B(B), T(T), H(H), K(K), V(V), initial(initial) {
        q = noise(B * T * H * K, 0.1, 1, seed), k = noise(B * T * H * K, 0.1, 1, seed + 1), v = noise(B * T * H * V, -1, 1, seed + 2);
        s = noise(initial ? B * H * K * V : 0, -1, 1, seed + 3), z = noise(initial ? B * H * K : 0, 0, 1, seed + 4);
        d_o = noise(B * T * H * V, -1, 1, seed + 5), ds = noise(B * H * K * V, -1, 1, seed + 6), dz = noise(B * H * K, -1, 1, seed + 7);
    }

    Values o(Values& S, Values& Z) const {
        Values out(B * T * H * V);
        S = initial ? s : Values(B * H * K * V, 0.0), Z = initial ? z : Values(B * H * K, 0.0);
        for (int64_t b = 0; b < B; b++)
            for (int64_t t = 0; t < T; t++)
                for (int64_t h = 0; h < H; h++) {
                    int64_t row = (b * T + t) * H + h, chain = b * H + h;
                    double divisor = 0.01;
                    for (int64_t i = 0; i < K; i++) divisor += 0.5 * q[row * K + i] * (Z[chain * K + i] += k[row * K + i]);
                    for (int64_t j = 0; j < V; j++)
                        for (int64_t i = 0; i < K; i++) out[row * V + j] += 0.5 * q[row * K + i] * (S[(chain * K + i) * V + j] += k[row * K + i] * v[row * V + j]) / divisor;
                }
        return out;
    }
};

TEST(linear_attention_normalized) {
    for (bool initial : {true, false})
        for (Normalized p : {Normalized(2, 9, 2, 3, 5, initial, 1), Normalized(1, 1, 1, 2, 2, initial, 2), Normalized(1, 0, 1, 2, 2, initial, 3), Normalized(1, 70, 1, 4, 3, initial, 4)}) {
            std::vector<int64_t> keys{p.B, p.T, p.H, p.K}, values{p.B, p.T, p.H, p.V}, state{p.B, p.H, p.K, p.V}, sums{p.B, p.H, p.K};
            Field q(keys, 2), k(keys, 1), v(values, 3), s, z, o(values, 1), fs(state), fz(sums), d_o(values), ds(state), dz(sums), dq(keys, 4), dk(keys), dv(values, 1), dis, diz;
            q.set(p.q), k.set(p.k), v.set(p.v), d_o.set(p.d_o), ds.set(p.ds), dz.set(p.dz);
            if (initial) s = Field(state), s.set(p.s), z = Field(sums), z.set(p.z), dis = Field(state), diz = Field(sums);
            std::vector<float> divisors(p.B * p.T * p.H, NAN);
            memgen_linear_attention_normalized_args a{};
            a.struct_size = sizeof a, a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.key_dim = p.K, a.value_dim = p.V, a.scale = 0.5, a.epsilon = 0.01;
            a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.initial_state = s.tensor, a.initial_normalizer = z.tensor, a.o = o.tensor, a.final_state = fs.tensor, a.final_normalizer = fz.tensor, a.divisors = divisors.data();
            a.d_o = d_o.tensor, a.d_final_state = ds.tensor, a.d_final_normalizer = dz.tensor, a.d_q = dq.tensor, a.d_k = dk.tensor, a.d_v = dv.tensor, a.d_initial_state = dis.tensor, a.d_initial_normalizer = diz.tensor;
            Scratch checkpoints(memgen_linear_attention_normalized_checkpoint_size(&a));
            a.checkpoints = checkpoints.data;
            EXPECT_SAME_BITS(([&] {
                Scratch first(memgen_linear_attention_normalized_workspace_size(&a, 0)), second(memgen_linear_attention_normalized_workspace_size(&a, 1));
                EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_forward(&a, first.data, first.size, nullptr));
                EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_backward(&a, second.data, second.size, nullptr));
            }), {&o, &dq, &dk, &dv});
            Values S, Z, expected = p.o(S, Z);
            auto loss = [&] {
                Values S1, Z1, all = p.o(S1, Z1);
                return inner(all, p.d_o) + inner(S1, p.ds) + inner(Z1, p.dz);
            };
            std::string at = "T" + std::to_string(p.T) + " initial" + std::to_string(initial);
            EXPECT_CLOSE("o", at, o.values(), expected, ForwardLimit);
            EXPECT_CLOSE("final_state", at, fs.values(), S, ForwardLimit);
            EXPECT_CLOSE("final_normalizer", at, fz.values(), Z, ForwardLimit);
            EXPECT_CLOSE("d_q", at, dq.values(), numeric_gradient(p.q, loss), GradientLimit);
            EXPECT_CLOSE("d_k", at, dk.values(), numeric_gradient(p.k, loss), GradientLimit);
            EXPECT_CLOSE("d_v", at, dv.values(), numeric_gradient(p.v, loss), GradientLimit);
            if (initial) EXPECT_CLOSE("d_initial_state", at, dis.values(), numeric_gradient(p.s, loss), GradientLimit);
            if (initial) EXPECT_CLOSE("d_initial_normalizer", at, diz.values(), numeric_gradient(p.z, loss), GradientLimit);
            EXPECT(o.padding_untouched() && dq.padding_untouched());
        }
}

// A call with fields of its own, all gradients wanted.
struct NormalizedCall {
    Field q, k, v, s, z, o, fs, fz, divisors, d_o, ds, dz, dq, dk, dv, dis, diz;
    memgen_linear_attention_normalized_args a{};
    std::unique_ptr<Scratch> checkpoints; // which a GPU needs, and the CPU does not

    explicit NormalizedCall(const Normalized& p) {
        std::vector<int64_t> keys{p.B, p.T, p.H, p.K}, values{p.B, p.T, p.H, p.V}, state{p.B, p.H, p.K, p.V}, sums{p.B, p.H, p.K};
        q = Field(keys), k = Field(keys), v = Field(values), s = Field(state), z = Field(sums), o = Field(values), fs = Field(state), fz = Field(sums), divisors = Field({p.B, p.T, p.H});
        d_o = Field(values), ds = Field(state), dz = Field(sums), dq = Field(keys), dk = Field(keys), dv = Field(values), dis = Field(state), diz = Field(sums);
        q.set(p.q), k.set(p.k), v.set(p.v), s.set(p.s), z.set(p.z), d_o.set(p.d_o), ds.set(p.ds), dz.set(p.dz);
        a.struct_size = sizeof a, a.batch = p.B, a.tokens = p.T, a.heads = p.H, a.key_dim = p.K, a.value_dim = p.V, a.scale = 0.5, a.epsilon = 0.01;
        a.q = q.tensor, a.k = k.tensor, a.v = v.tensor, a.initial_state = s.tensor, a.initial_normalizer = z.tensor, a.o = o.tensor, a.final_state = fs.tensor, a.final_normalizer = fz.tensor;
        a.divisors = static_cast<float*>(divisors.tensor.data);
        a.d_o = d_o.tensor, a.d_final_state = ds.tensor, a.d_final_normalizer = dz.tensor, a.d_q = dq.tensor, a.d_k = dk.tensor, a.d_v = dv.tensor, a.d_initial_state = dis.tensor, a.d_initial_normalizer = diz.tensor;
        checkpoints = std::make_unique<Scratch>(memgen_linear_attention_normalized_checkpoint_size(&a));
        a.checkpoints = checkpoints->data;
    }

    void forward() {
        Scratch scratch(memgen_linear_attention_normalized_workspace_size(&a, 0));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_forward(&a, scratch.data, scratch.size, nullptr));
    }
    void backward() {
        Scratch scratch(memgen_linear_attention_normalized_workspace_size(&a, 1));
        EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_backward(&a, scratch.data, scratch.size, nullptr));
    }
};

// Of one head several workers take a part each, and all need its divisors.
TEST(normalized_one_head_on_several_threads) {
    Normalized p(1, 130, 1, 64, 96, true, 11);
    NormalizedCall whole(p), part(p);
    auto run = [](NormalizedCall& c) { c.forward(), c.backward(); };
    EXPECT_SAME_BITS([&] { run(whole); }, {&whole.o, &whole.divisors, &whole.fs, &whole.fz, &whole.dq, &whole.dk, &whole.dv, &whole.dis, &whole.diz});

    // Without the gradients of queries, for whose pass those of divisors are found.
    part.a.d_q.data = nullptr;
    EXPECT_SAME_BITS([&] { run(part); }, {&part.dk, &part.diz});
    EXPECT(part.dk.values() == whole.dk.values() && part.diz.values() == whole.diz.values());
}

TEST(normalized_in_place) {
    int32_t before = memgen_get_threads();
    memgen_set_threads(2);
    Normalized p(1, 130, 1, 64, 160, true, 12);
    NormalizedCall apart(p), place(p);
    place.a.final_state = place.a.initial_state, place.a.final_normalizer = place.a.initial_normalizer;
    apart.forward(), place.forward();
    EXPECT(place.o.values() == apart.o.values() && place.s.values() == apart.fs.values() && place.z.values() == apart.fz.values());
    memgen_set_threads(before);
}

TEST(normalized_without_values) {
    Normalized p(2, 5, 3, 4, 0, true, 13);
    NormalizedCall c(p);
    for (memgen_tensor* none : {&c.a.v, &c.a.o, &c.a.d_o, &c.a.d_v}) none->data = nullptr;
    c.forward(), c.backward();
    Values S, Z, none(p.q.size()), each;
    p.o(S, Z);
    for (int64_t row = 0; row < p.B * p.T * p.H; row++)
        for (int64_t i = 0; i < p.K; i++) each.push_back(p.dz[(row / (p.T * p.H) * p.H + row % p.H) * p.K + i]);
    EXPECT_CLOSE("final_normalizer", "V0", c.fz.values(), Z, ForwardLimit);
    EXPECT_CLOSE("d_q", "V0", c.dq.values(), none, GradientLimit);
    EXPECT_CLOSE("d_k", "V0", c.dk.values(), each, GradientLimit);
}

} // namespace
