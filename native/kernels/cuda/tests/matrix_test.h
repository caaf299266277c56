// A call of a matrix memory's kernels on the emulator, and the recurrence in double precision beside it.
#pragma once
#include <algorithm>
#include <memory>

#include "cuda_test.h"
#include "delta_oracle.h"
#include "launch.h"
#include "numbers.h"

namespace {

// A tensor with the axes [B, T, H, D] or [N, H, K, V] in the number format of the call; what lies between
// its elements, and every element before it is written, is NaN.
template <class T>
class DeviceField {
public:
    DeviceField() = default;

    // padding: elements after each row; one more before the first makes rows begin anywhere.
    explicit DeviceField(std::vector<int64_t> shape, int64_t padding = 0) : shape_(std::move(shape)) {
        int64_t stride = 1;
        for (size_t i = shape_.size(); i-- > 0;) {
            strides_[i] = stride;
            stride *= shape_[i];
            if (i + 1 == shape_.size()) stride += padding;
        }
        first_ = padding % 2;
        size_ = stride + first_;
        clear();
    }

    void clear() {
        void* memory = nullptr; // as a device's allocator aligns it
        if (posix_memalign(&memory, 256, static_cast<size_t>(size_) * sizeof(T) + !size_)) std::abort();
        memory_.reset(static_cast<T*>(memory));
        std::memset(static_cast<void*>(memory_.get()), 0xff, static_cast<size_t>(size_) * sizeof(T));
    }

    int64_t size() const {
        int64_t n = shape_.empty() ? 0 : 1;
        for (int64_t d : shape_) n *= d;
        return n;
    }

    int64_t offset(int64_t index) const {
        int64_t at = first_;
        for (size_t i = shape_.size(); i-- > 0;) {
            at += index % shape_[i] * strides_[i];
            index /= shape_[i];
        }
        return at;
    }

    void set(const Values& x) {
        for (int64_t i = 0; i < size(); i++) memory_.get()[offset(i)] = memgen::rounded<T>(static_cast<float>(x[i]));
    }
    Values values() const {
        Values x(static_cast<size_t>(size()));
        for (int64_t i = 0; i < size(); i++) x[i] = memgen::to_float(memory_.get()[offset(i)]);
        return x;
    }

    bool padding_untouched() const {
        std::vector<bool> element(static_cast<size_t>(size_));
        for (int64_t i = 0; i < size(); i++) element[offset(i)] = true;
        for (int64_t i = 0; i < size_; i++) {
            T mark;
            std::memset(static_cast<void*>(&mark), 0xff, sizeof mark);
            if (!element[i] && std::memcmp(memory_.get() + i, &mark, sizeof mark)) return false;
        }
        return true;
    }

    memgen::TensorView view() const {
        memgen::TensorView v{memory_ ? memory_.get() + first_ : nullptr, {}};
        for (size_t i = 0; i < shape_.size(); i++) v.stride[i] = strides_[i];
        return v;
    }

private:
    std::vector<int64_t> shape_;
    int64_t strides_[4] = {}, first_ = 0, size_ = 0;
    std::unique_ptr<T, void (*)(void*)> memory_{nullptr, std::free};
};

// sqrt(sum (a - b)^2 / sum b^2), or of the differences alone where b is nearly nothing.
double relative_rms(const Values& actual, const Values& expected, double floor) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < expected.size(); i++) error += (actual[i] - expected[i]) * (actual[i] - expected[i]), norm += expected[i] * expected[i];
    double rms = std::sqrt(error / std::fmax(norm, floor * floor * static_cast<double>(expected.size()) + 1e-300));
    return expected.empty() ? 0 : rms;
}

void expect_rms(const char* file, int line, const char* what, const std::string& at, const Values& actual, const Values& expected, double limit) {
    double found = relative_rms(actual, expected, 1e-2);
    if (std::getenv("MEMGEN_PRINT_ERRORS")) std::printf("%-14s %-60s %.3g\n", what, at.c_str(), found);
    if (!(found <= limit)) {
        char text[256];
        std::snprintf(text, sizeof text, "%s at %s: relative RMS %.3g, limit %.3g", what, at.c_str(), found, limit);
        report_failure(file, line, text);
    }
}

#define EXPECT_RMS(what, at, actual, expected, limit) expect_rms(__FILE__, __LINE__, what, at, actual, expected, limit)

template <class T>
struct Limits {
    static constexpr double Forward = sizeof(T) == 4 ? 2e-6 : 5e-3, Gradient = sizeof(T) == 4 ? 1e-5 : 5e-3;
};

typedef cudaError_t (*LaunchMatrixMemory)(const memgen::MatrixMemoryParameters&, cudaStream_t);

memgen::Recurrence recurrence_of(const Shape& p) {
    using memgen::Recurrence;
    if (p.generalized) return Recurrence::Generalized;
    if (p.channel) return p.delta ? Recurrence::ChannelDelta : Recurrence::Channel;
    return p.delta ? Recurrence::Delta : Recurrence::Scalar;
}

// Of a rule; with_rule makes a shape of it.
struct Launches {
    LaunchMatrixMemory forward, backward;
};
Launches launches(const Shape& p) {
    using namespace memgen;
    switch (recurrence_of(p)) {
        case Recurrence::Generalized: return {launch_generalized_delta_rule_forward, launch_generalized_delta_rule_backward};
        case Recurrence::ChannelDelta: return {launch_channel_delta_rule_forward, launch_channel_delta_rule_backward};
        case Recurrence::Channel: return {launch_channel_decay_forward, launch_channel_decay_backward};
        case Recurrence::Delta: return {launch_gated_delta_rule_forward, launch_gated_delta_rule_backward};
        default: return {launch_scalar_decay_forward, launch_scalar_decay_backward};
    }
}
Shape with_rule(Shape p, memgen::Recurrence rule) {
    p.generalized = rule == memgen::Recurrence::Generalized, p.delta = is_delta(rule) && !p.generalized;
    p.channel = by_channel(rule), p.decay |= p.channel;
    return p;
}

// Sequences of a call: rows where `lengths` is empty.
struct Layout {
    std::vector<int64_t> starts, lengths;

    int64_t count(const Shape& p) const { return lengths.empty() ? p.B : static_cast<int64_t>(lengths.size()); }
};

// Numbers of a call whose states are one a sequence; tokens of no sequence keep what they were.
void sequence_reference(const Shape& p, double scale, const Layout& layout, Numbers& n) {
    if (layout.lengths.empty()) return reference(p, scale, n);
    const int64_t H = p.H, K = p.K, V = p.V, G = p.channel ? K : 1;
    Numbers all = n;
    all.o.assign(n.v.size(), NAN), all.dq.assign(n.q.size(), NAN), all.dk.assign(n.k.size(), NAN), all.dv.assign(n.v.size(), NAN);
    all.d_beta.assign(n.beta.size(), NAN), all.dg.assign(n.g.size(), NAN), all.da.assign(n.a.size(), NAN), all.db.assign(n.b.size(), NAN), all.s.assign(n.s0.size(), NAN), all.d_s0.assign(n.s0.size(), NAN);
    for (size_t i = 0; i < layout.lengths.size(); i++) {
        Shape one = p;
        one.B = 1, one.T = layout.lengths[i];
        const int64_t first = one.T ? layout.starts[i] * H : 0, rows = one.T * H, state = static_cast<int64_t>(i) * H * K * V;
        auto part = [](const Values& x, int64_t from, int64_t count) { return x.empty() ? Values() : Values(x.begin() + from, x.begin() + from + count); };
        auto put = [](Values& to, const Values& x, int64_t from) { std::copy(x.begin(), x.end(), to.begin() + (to.empty() ? 0 : from)); };
        Numbers m;
        m.q = part(n.q, first * K, rows * K), m.k = part(n.k, first * K, rows * K), m.v = part(n.v, first * V, rows * V), m.d_o = part(n.d_o, first * V, rows * V);
        m.beta = part(n.beta, first, rows), m.g = part(n.g, first * G, rows * G), m.s0 = part(n.s0, state, H * K * V), m.d_s = part(n.d_s, state, H * K * V);
        m.a = part(n.a, first * K, rows * K), m.b = part(n.b, first * K, rows * K);
        reference(one, scale, m);
        put(all.o, m.o, first * V), put(all.dq, m.dq, first * K), put(all.dk, m.dk, first * K), put(all.dv, m.dv, first * V);
        put(all.d_beta, m.d_beta, first), put(all.dg, m.dg, first * G), put(all.da, m.da, first * K), put(all.db, m.db, first * K), put(all.s, m.s, state), put(all.d_s0, m.d_s0, state);
    }
    n = all;
}

template <class T>
struct DeviceCall {
    DeviceField<T> q, k, v, a, b, o, d_o, dq, dk, dv, da, db;
    DeviceField<float> beta, g, s0, s, d_s, d_beta, dg, d_s0;
    std::vector<Aligned16> checkpoints, workspace;
    memgen::MatrixMemoryParameters p{};

    // multiprocessors: of the device that the call is for; 0 leaves sequences whole.
    DeviceCall(const Shape& shape, const Numbers& n, double scale, const Layout& layout, int64_t multiprocessors = 0) {
        const int64_t B = shape.B, T_ = shape.T, H = shape.H, K = shape.K, V = shape.V;
        std::vector<int64_t> keys{B, T_, H, K}, values{B, T_, H, V}, gates{B, T_, H}, state{layout.count(shape), H, K, V};
        auto tokens = [&](const std::vector<int64_t>& dims) { return DeviceField<T>(dims, shape.padding); };
        auto floats = [&](const std::vector<int64_t>& dims) { return DeviceField<float>(dims, dims.size() == 4 ? shape.padding : 0); };
        q = tokens(keys), k = tokens(keys), v = tokens(values), o = tokens(values), d_o = tokens(values), dq = tokens(keys), dk = tokens(keys), dv = tokens(values);
        s = floats(state), d_s = floats(state), d_s0 = floats(state);
        q.set(n.q), k.set(n.k), v.set(n.v), d_o.set(n.d_o), d_s.set(n.d_s);
        if (shape.delta) beta = floats(gates), beta.set(n.beta), d_beta = floats(gates);
        if (shape.decay) g = floats(shape.channel ? keys : gates), g.set(n.g), dg = floats(shape.channel ? keys : gates);
        if (shape.generalized) a = tokens(keys), a.set(n.a), b = tokens(keys), b.set(n.b), da = tokens(keys), db = tokens(keys);
        if (shape.initial) s0 = floats(state), s0.set(n.s0);
        p.number = sizeof(T) == 4 ? memgen::Number::Float32 : memgen::Number::BFloat16;
        p.batch = B, p.tokens = T_, p.heads = H, p.key_dim = K, p.value_dim = V, p.scale = static_cast<float>(scale), p.multiprocessors = multiprocessors;
        if (!layout.lengths.empty()) p.segments = {layout.count(shape), layout.starts.data(), layout.lengths.data()};
        p.q = q.view(), p.k = k.view(), p.v = v.view(), p.beta = beta.view(), p.log_decay = g.view(), p.initial_state = s0.view();
        p.o = o.view(), p.final_state = s.view();
        p.d_o = d_o.view(), p.d_final_state = d_s.view();
        p.d_q = dq.view(), p.d_k = dk.view(), p.d_v = dv.view(), p.d_beta = d_beta.view(), p.d_log_decay = dg.view(), p.d_initial_state = d_s0.view();
        p.a = a.view(), p.b = b.view(), p.d_a = da.view(), p.d_b = db.view();
        const Aligned16 nan{{NAN, NAN, NAN, NAN}};
        checkpoints.assign(static_cast<size_t>(memgen::matrix_memory_checkpoint_floats(p) + 3) / 4, nan);
        const memgen::Recurrence recurrence = recurrence_of(shape);
        workspace.assign(static_cast<size_t>(std::max(memgen::matrix_memory_workspace_floats(p, recurrence, false), memgen::matrix_memory_workspace_floats(p, recurrence, true)) + 3) / 4, nan);
        p.checkpoints = checkpoints.empty() ? nullptr : checkpoints[0].x;
        p.workspace = workspace.empty() ? nullptr : workspace[0].x;
    }

    void run(LaunchMatrixMemory forward, LaunchMatrixMemory backward) {
        EXPECT(forward(p, nullptr) == cudaSuccess);
        EXPECT(backward(p, nullptr) == cudaSuccess);
    }

    // Everything that is written, for a comparison of bits.
    Values results() const {
        Values all;
        for (const Values& x : {o.values(), s.values(), dq.values(), dk.values(), dv.values(), d_beta.values(), dg.values(), da.values(), db.values(), d_s0.values()}) all.insert(all.end(), x.begin(), x.end());
        return all;
    }
};

// What the call reads, as it reads it.
template <class T>
void round_inputs(Numbers& n) {
    for (Values* x : {&n.q, &n.k, &n.v, &n.a, &n.b, &n.d_o})
        for (double& each : *x) each = memgen::to_float(memgen::rounded<T>(static_cast<float>(each)));
}

// Where tokens belong to no sequence both are NaN, which here means: equal.
void drop_unwritten(Values& actual, Values& expected) {
    for (size_t i = 0; i < expected.size(); i++)
        if (std::isnan(expected[i]) && std::isnan(actual[i])) actual[i] = expected[i] = 0;
}

template <class T>
void compare_on_device(LaunchMatrixMemory forward, LaunchMatrixMemory backward, const Shape& p, Numbers n, double scale, const Layout& layout = {}, int64_t multiprocessors = 0) {
    round_inputs<T>(n);
    sequence_reference(p, scale, layout, n);
    DeviceCall<T> c(p, n, scale, layout, multiprocessors);
    c.run(forward, backward);
    std::string at = (sizeof(T) == 4 ? "float " : "bfloat16 ") + p.text();
    auto check = [&](const char* what, Values actual, Values expected, double limit) {
        drop_unwritten(actual, expected);
        EXPECT_RMS(what, at, actual, expected, limit);
    };
    check("o", c.o.values(), n.o, Limits<T>::Forward);
    check("final_state", c.s.values(), n.s, Limits<T>::Forward);
    check("d_q", c.dq.values(), n.dq, Limits<T>::Gradient);
    check("d_k", c.dk.values(), n.dk, Limits<T>::Gradient);
    check("d_v", c.dv.values(), n.dv, Limits<T>::Gradient);
    if (p.delta) check("d_beta", c.d_beta.values(), n.d_beta, Limits<T>::Gradient);
    if (p.decay) check("d_log_decay", c.dg.values(), n.dg, Limits<T>::Gradient);
    if (p.generalized) check("d_a", c.da.values(), n.da, Limits<T>::Gradient), check("d_b", c.db.values(), n.db, Limits<T>::Gradient);
    check("d_initial_state", c.d_s0.values(), n.d_s0, Limits<T>::Gradient);
    EXPECT(c.o.padding_untouched() && c.s.padding_untouched() && c.dq.padding_untouched() && c.dk.padding_untouched() && c.dv.padding_untouched());
    EXPECT(c.dg.padding_untouched() && c.da.padding_untouched() && c.db.padding_untouched() && c.d_s0.padding_untouched());
}

// Gates of a Titans memory at their ends: all forgotten, no momentum, no step; the first two together at every third token.
constexpr int TitansGateEnds = 4;

template <class Numbers>
void set_to_end(Numbers& n, int which) {
    for (size_t i = 0; i < n.theta.size(); i += which == 3 ? 3 : 1) {
        if (which == 0 || which == 3) n.alpha[i] = 1;
        if (which == 1 || which == 3) n.eta[i] = 0;
        if (which == 2) n.theta[i] = 0;
    }
}

} // namespace
