#include "emulator.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "fiber.h"
#include "races.h"
#include "traffic.h"

namespace memgen {
namespace host {
[[noreturn]] void fail(const char* what);

namespace {

struct Copy {
    void* to;
    const void* from;
    int bytes, valid;
    unsigned char source[16]; // as it was at first
};

struct Thread {
    Position position;
    std::vector<Copy> copies;        // in order of issue
    std::vector<size_t> groups;      // sizes of the groups that are closed and not yet copied
    size_t open = 0;                 // copies of the group that is not closed
    bool done = false;
};

struct Warp {
    uint32_t ready = 0;    // lanes that can run
    uint32_t living = 0;   // lanes that have not returned
    uint32_t arrived = 0;  // lanes at the instruction
    unsigned barriers = 0; // that it has passed alone
    Instruction instruction = nullptr;
    void* arguments[32] = {};
};

struct Block {
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    std::vector<uint32_t> at_barrier; // by warp
    unsigned waiting = 0, living = 0, barriers = 0;
    const void* site = nullptr; // of the barrier at which threads wait
    std::unique_ptr<unsigned char, void (*)(void*)> shared{nullptr, std::free};
    const std::function<void()>* body = nullptr;
};

Order order = Order::Forward;
std::mt19937 engine;
Block* block = nullptr;
unsigned current = 0;

} // namespace

void fail(const char* what) {
    const Position& p = block->threads[current].position;
    std::fprintf(stderr, "emulated kernel, block %u thread %u: %s\n", p.block.x, p.thread.x, what);
    std::abort();
}

namespace {

unsigned lane_of(uint32_t ready) {
    if (order == Order::Forward) return static_cast<unsigned>(__builtin_ctz(ready));
    if (order == Order::Reverse) return 31u - static_cast<unsigned>(__builtin_clz(ready));
    unsigned skip = engine() % static_cast<unsigned>(__builtin_popcount(ready));
    while (skip--) ready &= ready - 1;
    return static_cast<unsigned>(__builtin_ctz(ready));
}

// The next thread that can run; -1 where none can.
int next_thread() {
    const unsigned count = static_cast<unsigned>(block->warps.size());
    unsigned warp = order == Order::Shuffled ? engine() % count : current / 32; // the warp that ran goes on
    for (unsigned i = 0; i < count; i++) {
        uint32_t ready = block->warps[warp].ready;
        if (ready) return static_cast<int>(warp * 32 + lane_of(ready));
        warp = order == Order::Reverse ? (warp + count - 1) % count : (warp + 1) % count;
    }
    return -1;
}

void go_on() {
    int next = next_thread();
    if (next < 0) fail("no thread can run: a barrier or an instruction of a warp is not reached by all threads");
    if (static_cast<unsigned>(next) == current) return;
    current = static_cast<unsigned>(next);
    switch_to(current);
}

void release_barrier_if_complete() {
    if (block->waiting == 0 || block->waiting < block->living) return;
    for (size_t w = 0; w < block->warps.size(); w++) {
        block->warps[w].ready |= block->at_barrier[w];
        block->at_barrier[w] = 0;
    }
    block->waiting = 0;
    block->barriers++;
    close_traffic();
}

void copy_now(Thread& t, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const Copy& c = t.copies[i];
        if (c.valid && std::memcmp(c.from, c.source, static_cast<size_t>(c.valid))) fail("what an asynchronous copy reads has been written since it was asked for");
        watch_copy(c.to, static_cast<size_t>(c.bytes), true);
        if (c.valid) std::memcpy(c.to, c.from, static_cast<size_t>(c.valid)); // from may be null where nothing is read
        std::memset(static_cast<char*>(c.to) + c.valid, 0, static_cast<size_t>(c.bytes - c.valid));
    }
    t.copies.erase(t.copies.begin(), t.copies.begin() + static_cast<std::ptrdiff_t>(count));
}

void thread_main() {
    (*block->body)();
    Thread& t = block->threads[current];
    if (!t.copies.empty()) fail("the thread returned with asynchronous copies that it did not wait for");
    t.done = true;
    Warp& w = block->warps[current / 32];
    const uint32_t bit = 1u << current % 32;
    w.ready &= ~bit;
    w.living &= ~bit;
    if (w.arrived) fail("the thread returned while others of its warp wait at an instruction");
    block->living--;
    release_barrier_if_complete();
    if (block->living == 0) leave_fibers();
    go_on();
    std::abort(); // a thread that is done never runs again
}

} // namespace

void set_order(Order o, uint32_t seed) {
    order = o;
    engine.seed(seed);
}

const Position& position() { return block->threads[current].position; }
unsigned char* shared() { return block->shared.get(); }

void block_barrier() {
    const void* site = __builtin_return_address(0);
    if (WatchesRaces && block->waiting && block->site != site) fail("threads are at different barriers");
    block->site = site;
    const unsigned w = current / 32;
    block->warps[w].ready &= ~(1u << current % 32);
    block->at_barrier[w] |= 1u << current % 32;
    block->waiting++;
    release_barrier_if_complete();
    go_on();
}

void together(Instruction instruction, void* arguments) {
    Warp& w = block->warps[current / 32];
    const unsigned lane = current % 32;
    if (w.living != 0xffffffffu) fail("an instruction of a whole warp, but some of its threads do not exist or have returned");
    if (w.arrived && w.instruction != instruction) fail("the threads of a warp are at different instructions");
    w.instruction = instruction;
    w.arguments[lane] = arguments;
    w.arrived |= 1u << lane;
    w.ready &= ~(1u << lane);
    if (w.arrived == 0xffffffffu) {
        instruction(w.arguments);
        w.arrived = 0;
        w.ready = 0xffffffffu;
    }
    go_on();
}

void close_warp_barrier() { block->warps[current / 32].barriers++; }

#ifdef MEMGEN_RACES
bool running() { return block; }
Moment moment() { return {block->threads[current].position.block.x, current, block->barriers, block->warps[current / 32].barriers}; }
bool is_private(const void* p) {
    const std::vector<Thread>& threads = block->threads; // where threadIdx and its like lie
    return on_stack(current, p) || (p >= threads.data() && p < threads.data() + threads.size());
}
#endif

void copy_later(void* to, const void* from, int bytes, int valid) {
    Thread& t = block->threads[current];
    if (reinterpret_cast<uintptr_t>(to) % static_cast<unsigned>(bytes) || (valid && reinterpret_cast<uintptr_t>(from) % static_cast<unsigned>(bytes))) fail("an asynchronous copy is not aligned to its size");
    if (bytes > 16 || valid > bytes) fail("an asynchronous copy of more bytes than there are");
    note_access(Way::SharedCopy, to, static_cast<size_t>(bytes), __builtin_return_address(0));
    note_access(Way::Copy, from, static_cast<size_t>(valid), __builtin_return_address(0));
    Copy c{to, from, bytes, valid, {}};
    watch(from, static_cast<size_t>(valid), false, nullptr);
    watch_copy(to, static_cast<size_t>(bytes), false);
    if (valid) std::memcpy(c.source, from, static_cast<size_t>(valid));
    std::memset(to, 0xff, static_cast<size_t>(bytes)); // NaN, for who still reads what was there
    t.copies.push_back(c);
    t.open++;
}

void close_copies() {
    Thread& t = block->threads[current];
    t.groups.push_back(t.open);
    t.open = 0;
}

void wait_copies(int open_groups) {
    Thread& t = block->threads[current];
    while (t.groups.size() > static_cast<size_t>(open_groups)) {
        copy_now(t, t.groups.front());
        t.groups.erase(t.groups.begin());
    }
}

void run(const dim3& grid, const dim3& threads, size_t shared_bytes, const std::function<void()>& body) {
    const unsigned count = threads.x * threads.y * threads.z;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                Block b;
                b.body = &body;
                b.threads.resize(count);
                b.warps.resize((count + 31) / 32);
                b.at_barrier.assign(b.warps.size(), 0);
                b.living = count;
                // Whole lines, as aligned_alloc wants them; the kernels' sizes are multiples of 128 or the check is that much coarser.
                const size_t bytes = (shared_bytes + 127) / 128 * 128;
                if (bytes) {
                    b.shared.reset(static_cast<unsigned char*>(std::aligned_alloc(128, bytes)));
                    std::memset(b.shared.get(), 0xff, bytes);
                }
                for (unsigned i = 0; i < count; i++) {
                    b.threads[i].position = {dim3(i % threads.x, i / threads.x % threads.y, i / threads.x / threads.y), dim3(x, y, z), threads, grid};
                    b.warps[i / 32].living |= 1u << i % 32;
                }
                for (Warp& w : b.warps) w.ready = w.living;
                watch_block(b.shared.get(), bytes);
                block = &b;
                current = order == Order::Reverse ? count - 1 : 0;
                enter_fibers(count, current, thread_main);
                close_traffic();
                block = nullptr;
            }
    forget_launch();
}

} // namespace host
} // namespace memgen
