#include "library.h"

#include <cstdlib>
#include <cstring>
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace memgen {

const Library library = {"cpu", false, true};

namespace {

thread_local const char* last_impl = "";

struct Choice {
    const Kernels* kernels;
    const char* problem; // null when kernels is set
};

#if defined(__x86_64__)
// The registers of AMX are a process's own once it has asked for them; a kernel that knows none of it refuses.
bool asks_for_tiles() {
#if defined(__linux__)
    constexpr long Request = 0x1023, TileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, Request, TileData) == 0;
#else
    return false;
#endif
}

// The build for AVX-512 under a name of its own.
const Kernels& amx_kernels() {
    static const Kernels table = [] {
        Kernels copy = avx512_kernels;
        copy.name = "amx";
        return copy;
    }();
    return table;
}
#endif

bool has(const char* isa) {
#if defined(__x86_64__)
    if (!std::strcmp(isa, "amx"))
        return has("avx512") && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && asks_for_tiles();
    if (!std::strcmp(isa, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (!std::strcmp(isa, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
    return !std::strcmp(isa, "baseline");
}

Choice choose() {
    const char* forced = std::getenv("MEMORY_GEN_ISA");
    if (forced && !*forced) forced = nullptr;
#if defined(__x86_64__)
    const Kernels* builds[] = {&amx_kernels(), &avx512_kernels, &avx2_kernels, &baseline_kernels};
#else
    const Kernels* builds[] = {&baseline_kernels};
#endif
    for (const Kernels* build : builds) {
        if (forced && std::strcmp(forced, build->name)) continue;
        if (has(build->name)) return {build, nullptr};
        if (forced) return {nullptr, "this CPU lacks the instruction set that MEMORY_GEN_ISA names"};
    }
    return {nullptr, "MEMORY_GEN_ISA is none of baseline, avx2, avx512, amx (for this processor family)"};
}

const Choice& choice() {
    static const Choice chosen = choose();
    return chosen;
}

} // namespace

const Kernels* kernels() { return choice().kernels; }

bool multiplies_in_tiles() {
#if defined(__x86_64__)
    return kernels() == &amx_kernels();
#else
    return false;
#endif
}

memgen_status prepare(Check& check, void* workspace, size_t bytes, ScratchSize size, Scratch& scratch) {
    if (!check.ok()) return check.status();
    auto refuse = [&](memgen_status status, const char* format, auto... values) { return check.status(fail(status, check.operation(), format, values...)).status(); };
    const Choice& build = choice();
    if (!build.kernels) return refuse(MEMGEN_UNSUPPORTED_HARDWARE, "%s", build.problem);
    size_t shared = (size.shared + 63) / 64 * 64, threads = static_cast<size_t>(thread_count()), room = threads;
    scratch.slice = (size.slice + 63) / 64 * 64;
    if (shared + scratch.slice > 0) {
        if (!workspace || bytes < shared + scratch.slice) return refuse(MEMGEN_WORKSPACE_TOO_SMALL, "workspace has %zu bytes, one thread needs %zu", workspace ? bytes : size_t{0}, shared + scratch.slice);
        if (reinterpret_cast<uintptr_t>(workspace) % 64) return refuse(MEMGEN_INVALID_ARGUMENT, "%s", "workspace is not aligned to 64 bytes");
        if (scratch.slice > 0) room = (bytes - shared) / scratch.slice;
    }
    scratch.shared = static_cast<char*>(workspace);
    scratch.slices = workspace ? scratch.shared + shared : nullptr;
    scratch.workers = static_cast<int>(room < threads ? room : threads);
    last_impl = build.kernels->name;
    return MEMGEN_OK;
}

} // namespace memgen

extern "C" {

const char* memgen_last_impl(void) { return memgen::last_impl; }
const char* memgen_isa(void) { return memgen::kernels() ? memgen::kernels()->name : "none"; }

int32_t memgen_multiplies_bfloat16(void) {
#if defined(__x86_64__)
    return memgen::multiplies_in_tiles() || (memgen::kernels() == &memgen::avx512_kernels && __builtin_cpu_supports("avx512bf16"));
#else
    return 0;
#endif
}

memgen_status memgen_use_device(int32_t device, int32_t* previous) {
    if (device != 0) return memgen::fail(MEMGEN_INVALID_ARGUMENT, "memgen_use_device", "device is %d, expected 0: there is one CPU", device);
    if (previous) *previous = 0;
    return MEMGEN_OK;
}

int32_t memgen_get_threads(void) { return memgen::thread_count(); }

memgen_status memgen_set_threads(int32_t count) {
    if (count < 1 || count > 1024) return memgen::fail(MEMGEN_INVALID_ARGUMENT, "memgen_set_threads", "count is %d, expected 1 to 1024", count);
    memgen::set_thread_count(count);
    return MEMGEN_OK;
}
}
