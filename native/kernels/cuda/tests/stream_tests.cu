// Calls on streams of their own: two at once have the bits that each has alone, and so has a call that was captured in a
// graph, every time that it is replayed.
#include <algorithm>
#include <memory>

#include "device_memory.h"

namespace {

#ifdef __CUDACC__ // enough tokens to cut sequences, under the delta rule and of Titans too
constexpr int64_t Tokens = 1800, Rows = 4000, Rounds = 3;
#else
constexpr int64_t Tokens = 18, Rows = 4, Rounds = 1;
#endif

typedef std::vector<int64_t> Dims;

// Forward and backward of one operator on memory of the device.
struct Call {
    std::string name;
    memgen_dtype dtype;
    uint32_t seed;
    std::vector<std::unique_ptr<DeviceMemory>> memory;
    std::vector<DeviceMemory*> results;
    std::function<void(cudaStream_t)> queue;

    memgen_tensor tensor(const Dims& shape, size_t element) {
        memgen_tensor t{nullptr, {}};
        int64_t stride = 1;
        for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) t.stride[i] = stride;
        memory.push_back(std::make_unique<DeviceMemory>(static_cast<size_t>(stride) * element));
        t.data = memory.back()->data();
        return t;
    }
    memgen_tensor floats(const Dims& shape, double low, double high) {
        const memgen_tensor t = tensor(shape, sizeof(float));
        const Values x = noise(static_cast<int64_t>(memory.back()->bytes() / sizeof(float)), low, high, seed++);
        memory.back()->write(std::vector<float>(x.begin(), x.end()).data());
        return t;
    }
    // In dtype.
    memgen_tensor numbers(const Dims& shape, double low = -1, double high = 1) {
        if (dtype == MEMGEN_FLOAT32) return floats(shape, low, high);
        const memgen_tensor t = tensor(shape, 2);
        std::vector<uint16_t> halves;
        for (double each : noise(static_cast<int64_t>(memory.back()->bytes() / 2), low, high, seed++)) {
            const float x = static_cast<float>(each);
            uint32_t bits;
            std::memcpy(&bits, &x, sizeof bits);
            halves.push_back(static_cast<uint16_t>(bits >> 16));
        }
        memory.back()->write(halves.data());
        return t;
    }
    memgen_tensor result(const Dims& shape, bool in_dtype) {
        const memgen_tensor t = tensor(shape, in_dtype && dtype == MEMGEN_BFLOAT16 ? 2 : 4);
        results.push_back(memory.back().get());
        return t;
    }
    void* scratch(int64_t bytes) {
        EXPECT(bytes >= 0);
        memory.push_back(std::make_unique<DeviceMemory>(static_cast<size_t>(bytes < 0 ? 0 : bytes)));
        return memory.back()->data();
    }

    template <class Args>
    void set(const Args& a, int64_t (*size)(const Args*, int32_t), memgen_status (*forward)(const Args*, void*, size_t, void*), memgen_status (*backward)(const Args*, void*, size_t, void*)) {
        const int64_t first = size(&a, 0), second = size(&a, 1);
        void *before = scratch(first), *after = scratch(second);
        queue = [=](cudaStream_t stream) {
            EXPECT_STATUS(MEMGEN_OK, forward(&a, before, static_cast<size_t>(first), stream));
            EXPECT_STATUS(MEMGEN_OK, backward(&a, after, static_cast<size_t>(second), stream));
        };
    }

    void clear() {
        for (DeviceMemory* each : results) each->clear();
    }
    std::vector<unsigned char> bits() const {
        std::vector<unsigned char> all;
        for (const DeviceMemory* each : results) {
            std::vector<unsigned char> one(each->bytes());
            each->read(one.data());
            all.insert(all.end(), one.begin(), one.end());
        }
        return all;
    }
};

typedef memgen_gated_delta_rule_args Matrix;

Matrix matrix(Call& c, bool delta, bool channel) {
    const int64_t B = 2, T = Tokens, H = 2, K = 40, V = 70;
    const Dims keys{B, T, H, K}, values{B, T, H, V}, gates{B, T, H}, state{B, H, K, V};
    Matrix a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = B, a.tokens = T, a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = 0.1;
    a.q = c.numbers(keys), a.k = c.numbers(keys, -0.3, 0.3), a.v = c.numbers(values), a.d_o = c.numbers(values);
    a.log_decay = c.floats(channel ? keys : gates, -1, 0), a.initial_state = c.floats(state, -1, 1), a.d_final_state = c.floats(state, -1, 1);
    if (delta) a.beta = c.floats(gates, 0, 1), a.d_beta = c.result(gates, false);
    a.o = c.result(values, true), a.final_state = c.result(state, false), a.d_q = c.result(keys, true), a.d_k = c.result(keys, true), a.d_v = c.result(values, true);
    a.d_log_decay = c.result(channel ? keys : gates, false), a.d_initial_state = c.result(state, false);
    return a;
}

void gated_delta_rule(Call& c) {
    Matrix a = matrix(c, true, false);
    a.checkpoints = c.scratch(memgen_gated_delta_rule_checkpoint_size(&a));
    c.set(a, memgen_gated_delta_rule_workspace_size, memgen_gated_delta_rule_forward, memgen_gated_delta_rule_backward);
}
void scalar_decay(Call& c) {
    Matrix a = matrix(c, false, false);
    a.checkpoints = c.scratch(memgen_scalar_decay_checkpoint_size(&a));
    c.set(a, memgen_scalar_decay_workspace_size, memgen_scalar_decay_forward, memgen_scalar_decay_backward);
}
void channel_decay(Call& c) {
    Matrix a = matrix(c, false, true);
    a.checkpoints = c.scratch(memgen_channel_decay_checkpoint_size(&a));
    c.set(a, memgen_channel_decay_workspace_size, memgen_channel_decay_forward, memgen_channel_decay_backward);
}
void channel_delta_rule(Call& c) {
    Matrix a = matrix(c, true, true);
    a.checkpoints = c.scratch(memgen_channel_delta_rule_checkpoint_size(&a));
    c.set(a, memgen_channel_delta_rule_workspace_size, memgen_channel_delta_rule_forward, memgen_channel_delta_rule_backward);
}
void generalized_delta_rule(Call& c) {
    Matrix a = matrix(c, false, true);
    const Dims keys{a.batch, a.tokens, a.heads, a.key_dim};
    a.a = c.numbers(keys, -0.3, 0.3), a.b = c.numbers(keys, -0.3, 0.3), a.d_a = c.result(keys, true), a.d_b = c.result(keys, true);
    a.checkpoints = c.scratch(memgen_generalized_delta_rule_checkpoint_size(&a));
    c.set(a, memgen_generalized_delta_rule_workspace_size, memgen_generalized_delta_rule_forward, memgen_generalized_delta_rule_backward);
}

void linear_attention_normalized(Call& c) {
    const int64_t B = 2, T = Tokens, H = 2, K = 40, V = 70;
    const Dims keys{B, T, H, K}, values{B, T, H, V}, state{B, H, K, V}, sums{B, H, K};
    memgen_linear_attention_normalized_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = B, a.tokens = T, a.heads = H, a.key_dim = K, a.value_dim = V, a.scale = 0.1, a.epsilon = 0.01;
    a.q = c.numbers(keys, 0, 1), a.k = c.numbers(keys, 0, 1), a.v = c.numbers(values), a.d_o = c.numbers(values);
    a.o = c.result(values, true), a.final_state = c.result(state, false), a.final_normalizer = c.result(sums, false);
    a.d_q = c.result(keys, true), a.d_k = c.result(keys, true), a.d_v = c.result(values, true);
    a.divisors = static_cast<float*>(c.scratch(B * T * H * 4)), a.checkpoints = c.scratch(memgen_linear_attention_normalized_checkpoint_size(&a));
    c.set(a, memgen_linear_attention_normalized_workspace_size, memgen_linear_attention_normalized_forward, memgen_linear_attention_normalized_backward);
}

void titans(Call& c) {
    const int64_t B = 2, T = Tokens, H = 2, K = 40, V = 70;
    const Dims keys{B, T, H, K}, values{B, T, H, V}, gates{B, T, H}, state{B, H, K, V};
    memgen_titans_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = B, a.tokens = T, a.heads = H, a.layers = 1, a.block = 16, a.dims[0] = K, a.dims[1] = V, a.momentum = 1;
    a.q = c.numbers(keys), a.k = c.numbers(keys, -0.2, 0.2), a.v = c.numbers(values), a.d_o = c.numbers(values);
    a.theta = c.floats(gates, 0, 0.1), a.eta = c.floats(gates, 0, 0.9), a.alpha = c.floats(gates, 0, 0.1), a.initial_weights[0] = c.floats(state, -0.1, 0.1);
    a.o = c.result(values, true), a.final_weights[0] = c.result(state, false), a.final_momenta[0] = c.result(state, false);
    a.d_q = c.result(keys, true), a.d_k = c.result(keys, true), a.d_v = c.result(values, true);
    a.d_theta = c.result(gates, false), a.d_eta = c.result(gates, false), a.d_alpha = c.result(gates, false), a.d_initial_weights[0] = c.result(state, false);
    c.set(a, memgen_titans_workspace_size, memgen_titans_forward, memgen_titans_backward);
}

void titans_layers(Call& c, int64_t out, bool residual) {
    const int64_t B = 2, T = Tokens, H = 2, widths[] = {40, 70, out};
    const Dims keys{B, T, H, widths[0]}, values{B, T, H, widths[2]}, gates{B, T, H};
    memgen_titans_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = B, a.tokens = T, a.heads = H, a.layers = 2, a.block = 16, a.momentum = 1;
    for (int l = 0; l <= 2; l++) a.dims[l] = widths[l];
    a.q = c.numbers(keys), a.k = c.numbers(keys, -0.2, 0.2), a.v = c.numbers(values), a.d_o = c.numbers(values);
    a.theta = c.floats(gates, 0, 0.1), a.eta = c.floats(gates, 0, 0.9), a.alpha = c.floats(gates, 0, 0.1);
    if (residual) a.residual = 1, a.gamma = c.floats({B, H, out}, 0.2, 0.6), a.d_gamma = c.result({B, H, out}, false);
    a.o = c.result(values, true), a.d_q = c.result(keys, true), a.d_k = c.result(keys, true), a.d_v = c.result(values, true);
    a.d_theta = c.result(gates, false), a.d_eta = c.result(gates, false), a.d_alpha = c.result(gates, false);
    for (int l = 0; l < 2; l++) {
        const Dims state{B, H, widths[l], widths[l + 1]};
        a.initial_weights[l] = c.floats(state, -0.1, 0.1), a.final_weights[l] = c.result(state, false), a.final_momenta[l] = c.result(state, false), a.d_initial_weights[l] = c.result(state, false);
    }
    c.set(a, memgen_titans_workspace_size, memgen_titans_forward, memgen_titans_backward);
}
void titans_mlp(Call& c) { titans_layers(c, 24, false); }
void titans_residual(Call& c) { titans_layers(c, 40, true); }

// One token in the middle of a block of several layers, one with a residual, and one that ends a block of one matrix.
void titans_step(Call& c, std::initializer_list<int64_t> widths, int64_t read, bool ends) {
    const int64_t B = 2, H = 3, in = *widths.begin(), out = *(widths.end() - 1);
    memgen_titans_step_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = B, a.heads = H, a.layers = static_cast<int64_t>(widths.size()) - 1, a.block = 16, a.read = read, a.momentum = 1;
    std::copy(widths.begin(), widths.end(), a.dims);
    a.q = c.numbers({B, H, in}), a.k = c.numbers({B, H, in}, -0.2, 0.2), a.v = c.numbers({B, H, out}), a.past_k = c.numbers({B, read, H, in}, -0.2, 0.2), a.past_v = c.numbers({B, read, H, out});
    a.theta = c.floats({B, H}, 0, 0.1), a.eta = c.floats({B, H}, 0, 0.9), a.alpha = c.floats({B, H}, 0, 0.1);
    a.past_theta = c.floats({B, read, H}, 0, 0.1), a.past_eta = c.floats({B, read, H}, 0, 0.9), a.past_alpha = c.floats({B, read, H}, 0, 0.1);
    a.o = c.result({B, H, out}, true);
    if (in == out) a.residual = 1, a.gamma = c.floats({B, H, out}, 0.2, 0.6);
    for (int64_t l = 0; l < a.layers; l++) {
        const Dims state{B, H, a.dims[l], a.dims[l + 1]};
        a.weights[l] = c.floats(state, -0.1, 0.1), a.momenta[l] = c.floats(state, -0.1, 0.1);
        if (ends) a.final_weights[l] = c.result(state, false), a.final_momenta[l] = c.result(state, false);
    }
    const int64_t bytes = memgen_titans_step_workspace_size(&a);
    void* scratch = c.scratch(bytes);
    c.queue = [=](cudaStream_t stream) { EXPECT_STATUS(MEMGEN_OK, memgen_titans_step(&a, scratch, static_cast<size_t>(bytes), stream)); };
}
void titans_step_within(Call& c) { titans_step(c, {40, 70, 24}, 9, false); }
void titans_step_residual(Call& c) { titans_step(c, {40, 70, 40}, 9, false); }
void titans_step_at_end(Call& c) { titans_step(c, {40, 70}, 15, true); }

void segment_attention(Call& c) {
    const int64_t B = 2, T = Tokens, H = 4, G = 2, K = 40, V = 24, chunk = 16, chunks = (T + chunk - 1) / chunk, slots = 3, prefix = 5;
    const Dims queries{B, T, H, K}, out{B, T, H, V}, keys{B, T, G, K}, values{B, T, G, V};
    memgen_segment_attention_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = B, a.tokens = T, a.heads = H, a.key_heads = G, a.key_dim = K, a.value_dim = V, a.keys_per_token = 1;
    a.window = 30, a.chunk = chunk, a.chunks = chunks, a.slots = slots, a.fading_count = 4, a.fading_stride = 2, a.fading_offset = -1, a.prefix = prefix, a.scale = 0.15;
    a.q = c.numbers(queries), a.d_o = c.numbers(out), a.o = c.result(out, true), a.d_q = c.result(queries, true), a.logs = static_cast<float*>(c.scratch(B * T * H * 4));
    auto kind = [&](int64_t count, memgen_tensor& k, memgen_tensor& v, memgen_tensor& d_k, memgen_tensor& d_v) {
        const Dims k_dims{B, count, G, K}, v_dims{B, count, G, V};
        k = c.numbers(k_dims), v = c.numbers(v_dims), d_k = c.result(k_dims, true), d_v = c.result(v_dims, true);
    };
    kind(T, a.k, a.v, a.d_k, a.d_v), kind(chunks * slots, a.slot_k, a.slot_v, a.d_slot_k, a.d_slot_v);
    kind(T, a.fading_k, a.fading_v, a.d_fading_k, a.d_fading_v), kind(prefix, a.prefix_k, a.prefix_v, a.d_prefix_k, a.d_prefix_v);
    c.set(a, memgen_segment_attention_workspace_size, memgen_segment_attention_forward, memgen_segment_attention_backward);
}

void linear_scan(Call& c) {
    const Dims tokens{2, Tokens, 70}, state{2, 70};
    memgen_linear_scan_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = 2, a.tokens = Tokens, a.channels = 70;
    a.a = c.floats(tokens, 0, 1), a.b = c.numbers(tokens), a.d_h = c.numbers(tokens), a.initial_state = c.floats(state, -1, 1);
    a.h = c.result(tokens, true), a.final_state = c.result(state, false), a.d_a = c.result(tokens, false), a.d_b = c.result(tokens, true), a.d_initial_state = c.result(state, false);
    c.set(a, memgen_linear_scan_workspace_size, memgen_linear_scan_forward, memgen_linear_scan_backward);
}

void selective_scan(Call& c) {
    const Dims tokens{2, Tokens, 70}, mixes{2, Tokens, 5}, rates{70, 5}, state{2, 70, 5};
    memgen_selective_scan_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = 2, a.tokens = Tokens, a.channels = 70, a.state_dim = 5;
    a.u = c.numbers(tokens), a.delta = c.floats(tokens, 0, 0.5), a.A = c.floats(rates, -2, -0.1), a.B = c.numbers(mixes), a.C = c.numbers(mixes), a.d_y = c.numbers(tokens);
    a.y = c.result(tokens, true), a.final_state = c.result(state, false), a.d_u = c.result(tokens, true), a.d_delta = c.result(tokens, false), a.d_A = c.result(rates, false);
    a.d_B = c.result(mixes, true), a.d_C = c.result(mixes, true), a.d_initial_state = c.result(state, false);
    a.checkpoints = c.scratch(memgen_selective_scan_checkpoint_size(&a));
    c.set(a, memgen_selective_scan_workspace_size, memgen_selective_scan_forward, memgen_selective_scan_backward);
}

void causal_conv(Call& c) {
    const Dims tokens{2, Tokens, 70}, weight{70, 4};
    memgen_causal_conv_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.batch = 2, a.tokens = Tokens, a.channels = 70, a.width = 4;
    a.x = c.numbers(tokens), a.weight = c.floats(weight, -1, 1), a.d_y = c.numbers(tokens);
    a.y = c.result(tokens, true), a.d_x = c.result(tokens, true), a.d_weight = c.result(weight, false);
    c.set(a, memgen_causal_conv_workspace_size, memgen_causal_conv_forward, memgen_causal_conv_backward);
}

void rms_norm(Call& c) {
    const Dims rows{Rows, 300}, features{300};
    memgen_rms_norm_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.rows = Rows, a.features = 300, a.epsilon = 1e-6;
    a.x = c.numbers(rows), a.gate = c.numbers(rows), a.weight = c.floats(features, 0, 1), a.d_y = c.numbers(rows);
    a.y = c.result(rows, true), a.d_x = c.result(rows, true), a.d_gate = c.result(rows, true), a.d_weight = c.result(features, false);
    c.set(a, memgen_rms_norm_workspace_size, memgen_rms_norm_forward, memgen_rms_norm_backward);
}

void swiglu(Call& c) {
    const Dims rows{Rows, 300};
    memgen_swiglu_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.rows = Rows, a.features = 300;
    a.gate = c.numbers(rows), a.up = c.numbers(rows), a.d_y = c.numbers(rows), a.y = c.result(rows, true), a.d_gate = c.result(rows, true), a.d_up = c.result(rows, true);
    c.set(a, memgen_swiglu_workspace_size, memgen_swiglu_forward, memgen_swiglu_backward);
}

void softplus(Call& c) {
    const Dims rows{Rows, 300}, features{300};
    memgen_softplus_args a{};
    a.struct_size = sizeof a, a.rows = Rows, a.features = 300; // float32, whatever the others are
    a.x = c.floats(rows, -4, 4), a.bias = c.floats(features, -1, 1), a.d_y = c.floats(rows, -1, 1);
    a.y = c.result(rows, false), a.d_x = c.result(rows, false), a.d_bias = c.result(features, false);
    c.set(a, memgen_softplus_workspace_size, memgen_softplus_forward, memgen_softplus_backward);
}

void rotary(Call& c) {
    const Dims rows{Rows, 300}, angles{7, 25};
    memgen_rotary_args a{};
    a.struct_size = sizeof a, a.dtype = c.dtype, a.rows = Rows, a.heads = 6, a.features = 50, a.places = 7;
    a.cosines = c.floats(angles, -1, 1), a.sines = c.floats(angles, -1, 1), a.x = c.numbers(rows), a.d_y = c.numbers(rows);
    a.y = c.result(rows, true), a.d_x = c.result(rows, true);
    c.set(a, memgen_rotary_workspace_size, memgen_rotary_forward, memgen_rotary_backward);
}

// More tensors than a launch takes, moved as far as their squared norm allows, which is summed up before them.
void adamw(Call& c) {
    const int64_t count = 70, most = 3 * Tokens;
    struct Tensors {
        std::vector<int64_t> sizes;
        std::vector<float*> parameters, first, second;
        std::vector<const float*> gradients;
        std::vector<double> decays;
        std::vector<std::pair<DeviceMemory*, DeviceMemory*>> copies; // to, from
    };
    auto t = std::make_shared<Tensors>();
    auto changed = [&](int64_t n, double low, double high) {
        c.floats({n}, low, high);
        DeviceMemory* start = c.memory.back().get();
        float* data = static_cast<float*>(c.result({n}, false).data);
        t->copies.push_back({c.results.back(), start});
        return data;
    };
    for (int64_t i = 0; i < count; i++) {
        const int64_t n = 1 + i * most / count;
        t->sizes.push_back(n), t->decays.push_back(0.1);
        t->parameters.push_back(changed(n, -1, 1)), t->first.push_back(changed(n, -1, 1)), t->second.push_back(changed(n, 0, 1));
        t->gradients.push_back(static_cast<const float*>(c.floats({n}, -1, 1).data));
    }
    memgen_squared_norm_args norm{};
    norm.struct_size = sizeof norm, norm.count = count, norm.sizes = t->sizes.data(), norm.data = t->gradients.data();
    norm.result = static_cast<double*>(c.result({2}, false).data);
    memgen_adamw_args step{};
    step.struct_size = sizeof step, step.count = count, step.sizes = t->sizes.data(), step.parameters = t->parameters.data(), step.gradients = t->gradients.data();
    step.first_moments = t->first.data(), step.second_moments = t->second.data(), step.weight_decays = t->decays.data();
    step.squared_norm = norm.result, step.clip_norm = 1, step.learning_rate = 0.01, step.beta1 = 0.9, step.beta2 = 0.95, step.epsilon = 1e-8, step.step = 2;
    const int64_t bytes = memgen_squared_norm_workspace_size(&norm);
    void* sums = c.scratch(bytes);
    c.queue = [=](cudaStream_t stream) {
        for (auto& [to, from] : t->copies) to->copy(*from, stream);
        EXPECT_STATUS(MEMGEN_OK, memgen_squared_norm(&norm, sums, static_cast<size_t>(bytes), stream));
        EXPECT_STATUS(MEMGEN_OK, memgen_adamw_step(&step, nullptr, 0, stream));
    };
}

struct Operation {
    const char* name;
    void (*make)(Call&);
};

const Operation operations[] = {{"gated_delta_rule", gated_delta_rule}, {"scalar_decay", scalar_decay}, {"channel_decay", channel_decay}, {"channel_delta_rule", channel_delta_rule}, {"generalized_delta_rule", generalized_delta_rule}, {"linear_attention_normalized", linear_attention_normalized},
                                {"titans", titans}, {"titans_mlp", titans_mlp}, {"titans with a residual", titans_residual}, {"titans_step", titans_step_within}, {"titans_step with a residual", titans_step_residual}, {"titans_step at a block's end", titans_step_at_end}, {"segment_attention", segment_attention}, {"linear_scan", linear_scan}, {"selective_scan", selective_scan}, {"causal_conv", causal_conv},
                                {"rms_norm", rms_norm}, {"swiglu", swiglu}, {"softplus", softplus}, {"rotary", rotary}, {"adamw", adamw}};

Call make(const Operation& operation, memgen_dtype dtype, uint32_t seed) {
    Call c;
    c.name = std::string(operation.name) + (dtype == MEMGEN_BFLOAT16 ? " in bfloat16" : " in float32"), c.dtype = dtype, c.seed = seed;
    operation.make(c);
    return c;
}

std::vector<unsigned char> alone(Call& c) {
    Stream stream;
    c.clear();
    c.queue(stream);
    stream.wait();
    return c.bits();
}

void expect_bits(const Call& c, const std::vector<unsigned char>& expected, const char* what) {
    if (c.bits() != expected) report_failure(__FILE__, __LINE__, c.name + " has other bits " + what);
}

} // namespace

TEST(graphs_replay_the_same_bits) {
    for (const Operation& operation : operations)
        for (memgen_dtype dtype : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16}) {
            Call c = make(operation, dtype, 1);
            const std::vector<unsigned char> expected = alone(c);
            Stream stream;
            const std::function<void()> replay = stream.capture(c.queue);
            for (int i = 0; i < 2; i++) {
                c.clear();
                replay();
                expect_bits(c, expected, "when it is replayed from a graph");
            }
        }
}

TEST(streams_do_not_meet) {
    const size_t count = sizeof operations / sizeof *operations;
    for (size_t i = 0; i < count; i++)
        for (memgen_dtype dtype : {MEMGEN_FLOAT32, MEMGEN_BFLOAT16}) {
            Call c = make(operations[i], dtype, 1), other = make(operations[(i + 1) % count], dtype, 50);
            const std::vector<unsigned char> expected = alone(c), others = alone(other);
            Stream first, second;
            c.clear(), other.clear();
            for (int round = 0; round < Rounds; round++) c.queue(first), other.queue(second);
            first.wait(), second.wait();
            expect_bits(c, expected, "beside another call"), expect_bits(other, others, "beside another call");
        }
}
