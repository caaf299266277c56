#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace memgen {
namespace {

int initial_thread_count() {
    if (const char* text = std::getenv("MEMORY_GEN_THREADS")) {
        int count = std::atoi(text);
        if (count >= 1) return count;
    }
    unsigned count = std::thread::hardware_concurrency();
    return count ? static_cast<int>(count) : 1;
}

std::atomic<int>& configured_count() {
    static std::atomic<int> count{initial_thread_count()};
    return count;
}

// Denormal numbers cost a hundred times a normal one, and decaying states end in them: inside the
// kernels they are zero.
class FlushDenormals {
public:
#if defined(__x86_64__)
    FlushDenormals() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040); }
    ~FlushDenormals() { __builtin_ia32_ldmxcsr(before_); }
    FlushDenormals(const FlushDenormals&) = delete;

private:
    unsigned before_;
#endif
};

class Pool {
public:
    void run(int64_t items, int workers, Work work, void* context) {
        FlushDenormals flush;
        std::unique_lock<std::mutex> owner(owner_, std::defer_lock);
        if (workers <= 1 || items <= 1 || !owner.try_lock()) {
            for (int64_t item = 0; item < items; item++) work(context, item, 0);
            return;
        }
        workers = grow(static_cast<int>(workers < items ? workers : items));
        work_ = work;
        context_ = context;
        items_ = items;
        workers_ = workers;
        for (int w = 0; w < workers; w++) {
            shares_[w].next.store(items * w / workers, std::memory_order_relaxed);
            shares_[w].end = items * (w + 1) / workers;
        }
        tickets_.store(0, std::memory_order_relaxed);
        const uint64_t round = gate_.load(std::memory_order_relaxed) >> RoundShift;
        gate_.store((round + 1) << RoundShift | static_cast<uint64_t>(workers) << WorkersShift | Open);
        wake(asleep_, start_);
        take(0);
        gate_.fetch_and(~Open);
        await(waiting_, done_, [this] { return (gate_.load() & Inside) == 0; });
    }

private:
    // The gate to a round, in one number: which round, how many workers may take part (those with a smaller number), whether it is
    // open, and how many are inside. It closes when all items are taken, so that nobody waits for a worker that had no core.
    static constexpr int RoundShift = 32, WorkersShift = 16;
    static constexpr uint64_t Open = 1 << 15, Inside = Open - 1, MostWorkers = 0xffff;

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }

    // A wait of some 150 microseconds: as long as a model that decodes takes between two operators. After the first it makes
    // room for whoever wants the core, such as torch's own threads.
    template <class Ready>
    static bool spin(Ready&& ready) {
        for (int i = 0; i < 8000; i++) {
            if (ready()) return true;
            if (i < 2000 || i % 64 != 0) pause();
            else std::this_thread::yield();
        }
        return false;
    }

    // Waits awake, then asleep. Who makes it ready looks for sleepers afterwards, and a sleeper counts itself before it looks
    // again: one of the two sees the other.
    template <class Ready>
    void await(std::atomic<int>& sleepers, std::condition_variable& awake, Ready&& ready) {
        if (spin(ready)) return;
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers.fetch_add(1);
        awake.wait(lock, ready);
        sleepers.fetch_sub(1);
    }

    void wake(std::atomic<int>& sleepers, std::condition_variable& awake) {
        if (sleepers.load() == 0) return;
        std::lock_guard<std::mutex> lock(mutex_);
        awake.notify_all();
    }

    // Threads the machine refuses to start are done without.
    int grow(int workers) {
        if (workers > capacity_) shares_.reset(new Share[static_cast<size_t>(capacity_ = workers)]);
        while (static_cast<int>(threads_) + 1 < workers) {
            try {
                int worker = static_cast<int>(threads_) + 1;
                std::thread([this, worker, seen = gate_.load() >> RoundShift] { serve(static_cast<uint64_t>(worker), seen); }).detach();
                threads_++;
            } catch (const std::system_error&) {
                return static_cast<int>(threads_) + 1;
            }
        }
        return workers;
    }

    // First of a worker's own share, then of the next ones: so that a core has at every call the same rows, which its caches
    // may still hold. Whoever has a ticket finds an item.
    void take(int worker) {
        int share = worker;
        while (tickets_.fetch_add(1, std::memory_order_relaxed) < items_) {
            int64_t item;
            while ((item = shares_[share].next.fetch_add(1, std::memory_order_relaxed)) >= shares_[share].end) share = (share + 1) % workers_;
            work_(context_, item, worker);
        }
    }

    void serve(uint64_t worker, uint64_t seen) {
        for (;;) {
            await(asleep_, start_, [&] { return gate_.load() >> RoundShift != seen; });
            uint64_t gate = gate_.load();
            seen = gate >> RoundShift;
            if (worker >= (gate >> WorkersShift & MostWorkers) || !enter(gate)) continue;
            FlushDenormals flush;
            take(static_cast<int>(worker));
            if (((gate_.fetch_sub(1) - 1) & (Open | Inside)) == 0) wake(waiting_, done_);
        }
    }

    // Whether the worker is inside the round that it saw: there, nothing of it changes.
    bool enter(uint64_t gate) {
        const uint64_t round = gate >> RoundShift;
        while ((gate & Open) != 0 && gate >> RoundShift == round)
            if (gate_.compare_exchange_weak(gate, gate + 1)) return true;
        return false;
    }

    std::mutex owner_, mutex_;
    std::condition_variable start_, done_;
    std::atomic<int> asleep_{0}, waiting_{0};
    std::atomic<uint64_t> gate_{0};
    struct alignas(64) Share {
        std::atomic<int64_t> next;
        int64_t end;
    };
    std::unique_ptr<Share[]> shares_;
    std::atomic<int64_t> tickets_{0};
    int workers_ = 0, capacity_ = 0;
    Work work_ = nullptr;
    void* context_ = nullptr;
    int64_t items_ = 0;
    size_t threads_ = 0;
};

// Never destroyed: its threads sleep until the process ends, and unloading order must not matter.
Pool& pool() {
    static Pool* instance = new Pool;
    return *instance;
}

} // namespace

int thread_count() { return configured_count().load(std::memory_order_relaxed); }
void set_thread_count(int count) { configured_count().store(count, std::memory_order_relaxed); }
void run_items(int64_t items, int workers, Work work, void* context) { pool().run(items, workers, work, context); }

} // namespace memgen
