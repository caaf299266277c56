#include "races.h"
#include "traffic.h"

#ifdef MEMGEN_RACES
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <unordered_map>
#include <vector>

namespace memgen {
namespace host {
namespace {

// Of two bytes: the last write, and the reads since.
struct Cell {
    Moment write;
    const void *write_code, *read_code;
    bool written, read, pending; // pending: an asynchronous copy is still to write it
    bool many;                   // more than one block has read it
    unsigned read_block, read_barriers;
    uint32_t read_warps;         // since that barrier
    unsigned warp, warp_barriers;
    uint32_t lanes;              // of the warp that read last, since its last barrier
};

constexpr size_t PageBytes = 4096, PageCells = PageBytes / 2;

uintptr_t shared_first, shared_end;
std::vector<Cell> shared_cells;
std::unordered_map<uintptr_t, std::unique_ptr<Cell[]>> pages; // of all other memory, by address / PageBytes
struct {
    uintptr_t page;
    Cell* cells;
} recent[256];

Cell& cell_of(uintptr_t address) {
    if (address >= shared_first && address < shared_end) return shared_cells[(address - shared_first) / 2];
    const uintptr_t page = address / PageBytes;
    auto& entry = recent[page % 256];
    if (entry.page != page || !entry.cells) {
        auto& cells = pages[page];
        if (!cells) cells.reset(new Cell[PageCells]());
        entry = {page, cells.get()};
    }
    return entry.cells[address % PageBytes / 2];
}

// "libx.so+0x1234", for addr2line.
void name(char (&text)[160], const void* code) {
    Dl_info found;
    if (code && dladdr(code, &found) && found.dli_fname) std::snprintf(text, sizeof text, "%s+%#zx", found.dli_fname, static_cast<size_t>(static_cast<const char*>(code) - static_cast<const char*>(found.dli_fbase)));
    else std::snprintf(text, sizeof text, "%s", code ? "unknown code" : "an instruction");
}

[[noreturn]] void race(uintptr_t address, const char* what, const char* before, const void* code, const void* earlier) {
    char here[160], there[160], text[640];
    name(here, code), name(there, earlier);
    const bool shared = address >= shared_first && address < shared_end;
    std::snprintf(text, sizeof text, "%s %s %zu %s, with no barrier between (%s, before it %s)", what, shared ? "byte" : "address", static_cast<size_t>(shared ? address - shared_first : address), before, here, there);
    fail(text);
}

bool ordered(const Moment& before, const Moment& now) {
    return before.block == now.block && (before.thread == now.thread || before.barriers < now.barriers || (before.thread / 32 == now.thread / 32 && before.warp_barriers < now.warp_barriers));
}

void on_read(Cell& c, const Moment& now, uintptr_t address, const void* code) {
    if (c.written && !ordered(c.write, now)) race(address, "reads", "that another thread writes", code, c.write_code);
    const unsigned warp = now.thread / 32, lane = now.thread % 32;
    if (!c.read || c.read_block != now.block || c.read_barriers != now.barriers) {
        c.many = c.many || (c.read && c.read_block != now.block);
        c.read = true, c.read_block = now.block, c.read_barriers = now.barriers, c.read_warps = 0, c.lanes = 0;
    }
    if (c.warp != warp || c.warp_barriers != now.warp_barriers) c.warp = warp, c.warp_barriers = now.warp_barriers, c.lanes = 0;
    c.read_warps |= 1u << warp, c.lanes |= 1u << lane, c.read_code = code;
}

void on_write(Cell& c, const Moment& now, uintptr_t address, const void* code) {
    if (c.written && !ordered(c.write, now)) race(address, "writes", "that another thread writes", code, c.write_code);
    const unsigned warp = now.thread / 32, lane = now.thread % 32;
    if (c.read && (c.many || c.read_block != now.block)) race(address, "writes", "that another block reads", code, c.read_code);
    if (c.read && c.read_barriers == now.barriers && ((c.read_warps & ~(1u << warp)) || (c.warp == warp && c.warp_barriers == now.warp_barriers && (c.lanes & ~(1u << lane)))))
        race(address, "writes", "that another thread reads", code, c.read_code);
    c.written = true, c.write = now, c.write_code = code, c.read = c.many = false;
}

void access(const void* p, size_t bytes, bool write, const void* code) {
    if (!running() || is_private(p)) return;
    const Moment now = moment();
    if (code) { // what has none is an instruction's or a copy's, noted there
        const bool shared = reinterpret_cast<uintptr_t>(p) >= shared_first && reinterpret_cast<uintptr_t>(p) < shared_end;
        note_access(shared ? (write ? Way::SharedWrite : Way::SharedRead) : write ? Way::Write : Way::Read, p, bytes, code);
    }
    const uintptr_t first = reinterpret_cast<uintptr_t>(p) & ~uintptr_t(1);
    for (uintptr_t address = first; address < reinterpret_cast<uintptr_t>(p) + bytes; address += 2) {
        Cell& c = cell_of(address);
        if (c.pending) race(address, write ? "writes" : "reads", "that an asynchronous copy is still to write", code, nullptr);
        if (write) on_write(c, now, address, code);
        else on_read(c, now, address, code);
    }
}

void aligned(const void* p, size_t bytes, bool write, const void* code) {
    if (reinterpret_cast<uintptr_t>(p) % bytes && running()) race(reinterpret_cast<uintptr_t>(p), write ? "writes" : "reads", "that is not aligned to its size", code, nullptr);
    access(p, bytes, write, code);
}

} // namespace

void watch_block(const void* shared, size_t bytes) {
    shared_first = reinterpret_cast<uintptr_t>(shared), shared_end = shared_first + bytes;
    shared_cells.assign(bytes / 2, Cell{});
}

void forget_launch() {
    pages.clear();
    for (auto& entry : recent) entry = {0, nullptr};
}

void watch(const void* p, size_t bytes, bool write, const void* code) { access(p, bytes, write, code); }

void watch_copy(const void* p, size_t bytes, bool done) {
    for (size_t i = 0; done && i < bytes; i += 2) cell_of(reinterpret_cast<uintptr_t>(p) + i).pending = false;
    access(p, bytes, true, nullptr);
    for (size_t i = 0; !done && i < bytes; i += 2) cell_of(reinterpret_cast<uintptr_t>(p) + i).pending = true;
}

} // namespace host
} // namespace memgen

// What instrumented code calls.
#define MEMGEN_ACCESS(name, bytes, check, write) \
    void __tsan_##name(void* p) { memgen::host::check(p, bytes, write, __builtin_return_address(0)); }
#define MEMGEN_ACCESSES(bytes)                            \
    MEMGEN_ACCESS(read##bytes, bytes, aligned, false)     \
    MEMGEN_ACCESS(write##bytes, bytes, aligned, true)     \
    MEMGEN_ACCESS(unaligned_read##bytes, bytes, access, false) \
    MEMGEN_ACCESS(unaligned_write##bytes, bytes, access, true)

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}
MEMGEN_ACCESSES(1)
MEMGEN_ACCESSES(2)
MEMGEN_ACCESSES(4)
MEMGEN_ACCESSES(8)
MEMGEN_ACCESSES(16)
void __tsan_read_range(void* p, unsigned long bytes) { memgen::host::access(p, bytes, false, __builtin_return_address(0)); }
void __tsan_write_range(void* p, unsigned long bytes) { memgen::host::access(p, bytes, true, __builtin_return_address(0)); }
}

#endif
