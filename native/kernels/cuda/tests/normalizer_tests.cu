// Normalised linear attention on the emulator against its recurrence in double precision: several value tiles, segments,
// both number formats, sequences that are cut for the 132 multiprocessors of the emulator and whole ones.
#include "matrix_test.h"

namespace {

constexpr double Scale = 0.5, Epsilon = 0.01;

struct NormalizedNumbers {
    Values q, k, v, s, z, d_o, ds, dz, o, s_end, z_end, dq, dk, dv, ds0, dz0;
};

// One head of one sequence: token t is row `row(t)` of the tensors.
template <class Row>
void reference_chain(int64_t K, int64_t V, int64_t tokens, Row row, int64_t state, NormalizedNumbers& n) {
    std::vector<Values> s{Values(n.s.begin() + state * K * V, n.s.begin() + (state + 1) * K * V)}, z{Values(n.z.begin() + state * K, n.z.begin() + (state + 1) * K)};
    Values r;
    for (int64_t t = 0; t < tokens; t++) {
        Values s_t = s.back(), z_t = z.back();
        const double *q = &n.q[row(t) * K], *k = &n.k[row(t) * K], *v = &n.v[row(t) * V];
        double divisor = Epsilon;
        for (int64_t i = 0; i < K; i++) divisor += Scale * q[i] * (z_t[i] += k[i]);
        for (int64_t j = 0; j < V; j++) {
            double sum = 0;
            for (int64_t i = 0; i < K; i++) sum += Scale * q[i] * (s_t[i * V + j] += k[i] * v[j]);
            n.o[row(t) * V + j] = sum / divisor;
        }
        s.push_back(s_t), z.push_back(z_t), r.push_back(divisor);
    }
    Values ds(n.ds.begin() + state * K * V, n.ds.begin() + (state + 1) * K * V), dz(n.dz.begin() + state * K, n.dz.begin() + (state + 1) * K);
    std::copy(s.back().begin(), s.back().end(), n.s_end.begin() + state * K * V), std::copy(z.back().begin(), z.back().end(), n.z_end.begin() + state * K);
    for (int64_t t = tokens; t-- > 0;) {
        const double *q = &n.q[row(t) * K], *k = &n.k[row(t) * K], *v = &n.v[row(t) * V], *d_o = &n.d_o[row(t) * V], *o = &n.o[row(t) * V];
        double dr = 0;
        for (int64_t j = 0; j < V; j++) dr -= d_o[j] * o[j] / r[t];
        Values dv(static_cast<size_t>(V), 0.0);
        for (int64_t i = 0; i < K; i++) {
            double dq = dr * z[t + 1][i];
            dz[i] += Scale * dr * q[i];
            double dk = dz[i];
            for (int64_t j = 0; j < V; j++) {
                dq += s[t + 1][i * V + j] * d_o[j] / r[t];
                ds[i * V + j] += Scale * q[i] * d_o[j] / r[t];
                dk += ds[i * V + j] * v[j], dv[j] += ds[i * V + j] * k[i];
            }
            n.dq[row(t) * K + i] = Scale * dq, n.dk[row(t) * K + i] = dk;
        }
        std::copy(dv.begin(), dv.end(), n.dv.begin() + row(t) * V);
    }
    std::copy(ds.begin(), ds.end(), n.ds0.begin() + state * K * V), std::copy(dz.begin(), dz.end(), n.dz0.begin() + state * K);
}

template <class T>
void compare(int64_t B, int64_t tokens, int64_t H, int64_t K, int64_t V, const Layout& layout = {}) {
    const int64_t N = layout.lengths.empty() ? B : static_cast<int64_t>(layout.lengths.size()), rows = B * tokens * H;
    NormalizedNumbers n;
    n.q = noise(rows * K, -1, 1, 1), n.k = noise(rows * K, -1, 1, 2), n.v = noise(rows * V, -1, 1, 3), n.d_o = noise(rows * V, -1, 1, 4);
    n.s = noise(N * H * K * V, -1, 1, 5), n.z = noise(N * H * K, 0, 1, 6), n.ds = noise(N * H * K * V, -0.1, 0.1, 7), n.dz = noise(N * H * K, -0.1, 0.1, 8);
    for (Values* x : {&n.q, &n.k}) // as a ReLU leaves them: of keys with one sign and size, d_q is a small difference
        for (double& each : *x) each = std::fmax(each, 0.0);
    for (Values* x : {&n.q, &n.k, &n.v, &n.d_o})
        for (double& each : *x) each = memgen::to_float(memgen::rounded<T>(static_cast<float>(each)));
    n.o = n.dv = Values(n.v.size(), NAN), n.dq = n.dk = Values(n.q.size(), NAN), n.s_end = n.ds0 = Values(n.s.size(), NAN), n.z_end = n.dz0 = Values(n.z.size(), NAN);
    for (int64_t i = 0; i < N; i++)
        for (int64_t h = 0; h < H; h++) {
            const int64_t start = layout.lengths.empty() ? i * tokens : layout.starts[i];
            reference_chain(K, V, layout.lengths.empty() ? tokens : layout.lengths[i], [&](int64_t t) { return (start + t) * H + h; }, i * H + h, n);
        }

    std::vector<int64_t> keys{B, tokens, H, K}, values{B, tokens, H, V}, state{N, H, K, V}, sums{N, H, K};
    DeviceField<T> q(keys, 8), k(keys), v(values), o(values, 8), d_o(values), dq(keys, 1), dk(keys), dv(values);
    DeviceField<float> s(state), z(sums), s_end(state), z_end(sums), ds(state), dz(sums), ds0(state), dz0(sums);
    q.set(n.q), k.set(n.k), v.set(n.v), d_o.set(n.d_o), s.set(n.s), z.set(n.z), ds.set(n.ds), dz.set(n.dz);
    auto tensor = [](const auto& field) {
        const memgen::TensorView view = field.view();
        memgen_tensor t{view.data, {}};
        std::copy(view.stride, view.stride + 4, t.stride);
        return t;
    };
    memgen_linear_attention_normalized_args a{};
    a.struct_size = sizeof a, a.dtype = sizeof(T) == 4 ? MEMGEN_FLOAT32 : MEMGEN_BFLOAT16;
    a.batch = B, a.tokens = tokens, a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = Scale, a.epsilon = Epsilon;
    if (!layout.lengths.empty()) a.segments = {N, layout.starts.data(), layout.lengths.data()};
    a.q = tensor(q), a.k = tensor(k), a.v = tensor(v), a.initial_state = tensor(s), a.initial_normalizer = tensor(z), a.o = tensor(o), a.final_state = tensor(s_end), a.final_normalizer = tensor(z_end);
    a.d_o = tensor(d_o), a.d_final_state = tensor(ds), a.d_final_normalizer = tensor(dz), a.d_q = tensor(dq), a.d_k = tensor(dk), a.d_v = tensor(dv), a.d_initial_state = tensor(ds0), a.d_initial_normalizer = tensor(dz0);
    std::vector<float> divisors(static_cast<size_t>(rows), NAN);
    Scratch checkpoints(memgen_linear_attention_normalized_checkpoint_size(&a)), first(memgen_linear_attention_normalized_workspace_size(&a, 0)), second(memgen_linear_attention_normalized_workspace_size(&a, 1));
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_forward(&a, first.data, first.size, nullptr)); // its divisors in the workspace
    const Values o_alone = o.values();
    a.divisors = divisors.data(), a.checkpoints = checkpoints.data;
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_forward(&a, first.data, first.size, nullptr));
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_backward(&a, second.data, second.size, nullptr));
    const std::string at = std::string(sizeof(T) == 4 ? "float" : "bfloat16") + " T" + std::to_string(tokens) + " K" + std::to_string(K) + " V" + std::to_string(V);
    auto check = [&](const char* what, Values actual, Values expected, double limit) {
        drop_unwritten(actual, expected);
        EXPECT_RMS(what, at, actual, expected, limit);
    };
    check("o", o.values(), n.o, Limits<T>::Forward), check("o alone", o_alone, n.o, Limits<T>::Forward);
    check("final_state", s_end.values(), n.s_end, Limits<T>::Forward), check("final_normalizer", z_end.values(), n.z_end, Limits<T>::Forward);
    check("d_q", dq.values(), n.dq, Limits<T>::Gradient), check("d_k", dk.values(), n.dk, Limits<T>::Gradient), check("d_v", dv.values(), n.dv, Limits<T>::Gradient);
    check("d_initial_state", ds0.values(), n.ds0, Limits<T>::Gradient), check("d_initial_normalizer", dz0.values(), n.dz0, Limits<T>::Gradient);
    EXPECT(o.padding_untouched() && dq.padding_untouched());

    a.final_state = a.initial_state, a.final_normalizer = a.initial_normalizer, a.d_initial_state = a.d_final_state, a.d_initial_normalizer = a.d_final_normalizer; // in place
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_forward(&a, first.data, first.size, nullptr));
    EXPECT(s.values() == s_end.values() && z.values() == z_end.values());
    s.set(n.s), z.set(n.z);
    EXPECT_STATUS(MEMGEN_OK, memgen_linear_attention_normalized_backward(&a, second.data, second.size, nullptr));
    EXPECT(ds.values() == ds0.values() && dz.values() == dz0.values());
}

template <class T>
void all() {
    compare<T>(2, 37, 2, 40, 24);
    compare<T>(1, 150, 4, 20, 150);
    compare<T>(1, 300, 1, 150, 6);
    compare<T>(1, 1, 2, 130, 8);
    compare<T>(1, 210, 2, 24, 40, Layout{{140, 0, 0, 61, 130}, {60, 40, 0, 65, 7}});
    compare<T>(2, 300, 1, 24, 40, Layout{{300, 0, 40, 140, 12, 40}, {290, 0, 100, 160, 28, 0}}); // of up to three spans
}

} // namespace

TEST(linear_attention_normalized_in_tiles) { all<float>(), all<memgen::bfloat16>(); }
