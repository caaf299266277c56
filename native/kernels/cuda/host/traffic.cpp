#include "traffic.h"

#ifdef MEMGEN_RACES
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "races.h"

namespace memgen {
namespace host {
namespace {

struct Piece {
    uintptr_t address;
    size_t bytes;
    unsigned lane;
};

bool counts = false;
std::map<std::pair<const void*, Way>, Traffic> totals;
std::map<std::tuple<const void*, Way, unsigned>, std::vector<std::vector<Piece>>> open; // by place and warp: accesses in their order
std::map<std::tuple<const void*, Way, unsigned>, size_t> rounds;                        // of a thread at a place

bool is_shared(Way way) { return way == Way::Matrix || way == Way::SharedRead || way == Way::SharedWrite || way == Way::SharedCopy; }

void add(Traffic& to, uint64_t taken, uint64_t least) { to.accesses++, to.taken += taken, to.least += least; }

// Of the different words, how many meet in one bank.
uint64_t waves_of(const std::set<uintptr_t>& words) {
    uint64_t banks[32] = {};
    for (uintptr_t word : words) banks[word % 32]++;
    return *std::max_element(banks, banks + 32);
}

void add_waves(Traffic& to, const std::vector<Piece>& pieces, bool matrix = false) {
    std::set<uintptr_t> words, parts[4];
    for (const Piece& p : pieces)
        for (uintptr_t word = p.address / 4; word * 4 < p.address + p.bytes; word++) words.insert(word), parts[p.bytes == 16 ? p.lane / 8 : p.bytes == 8 ? p.lane / 16 : 0].insert(word);
    uint64_t waves = 0;
    for (const auto& part : parts) waves += waves_of(part);
    add(to, matrix || waves_of(words) == 1 ? waves_of(words) : waves, (words.size() + 31) / 32);
}

void add_sectors(Traffic& to, const std::vector<Piece>& pieces) {
    std::set<uintptr_t> sectors, bytes;
    for (const Piece& p : pieces)
        for (uintptr_t byte = p.address; byte < p.address + p.bytes; byte++) sectors.insert(byte / 32), bytes.insert(byte);
    add(to, sectors.size(), (bytes.size() + 31) / 32);
}

} // namespace

void count_traffic(bool on) {
    counts = on;
    totals.clear(), open.clear(), rounds.clear();
}

Traffic traffic(Way way) {
    Traffic sum{};
    for (const auto& each : totals)
        if (each.first.second == way) sum.accesses += each.second.accesses, sum.taken += each.second.taken, sum.least += each.second.least;
    return sum;
}

void note_access(Way way, const void* p, size_t bytes, const void* code) {
    if (!counts || !bytes) return;
    const unsigned thread = moment().thread;
    const size_t round = rounds[{code, way, thread}]++;
    auto& accesses = open[{code, way, thread / 32}];
    if (accesses.size() <= round) accesses.resize(round + 1);
    accesses[round].push_back({reinterpret_cast<uintptr_t>(p), bytes, thread % 32});
}

void note_matrices(const void* const rows[32], const void* code) {
    for (int i = 0; counts && i < 32; i += 8) { // a matrix is read in one piece
        std::vector<Piece> pieces;
        for (int r = i; r < i + 8; r++) pieces.push_back({reinterpret_cast<uintptr_t>(rows[r]), 16, 0});
        add_waves(totals[{code, Way::Matrix}], pieces, true);
    }
}

void close_traffic() {
    for (const auto& each : open)
        for (const auto& pieces : each.second) {
            Traffic& to = totals[{std::get<0>(each.first), std::get<1>(each.first)}];
            if (is_shared(std::get<1>(each.first))) add_waves(to, pieces);
            else add_sectors(to, pieces);
        }
    open.clear(), rounds.clear();
}

void print_traffic(FILE* to) {
    static const char* const names[] = {"ldmatrix", "shared-read", "shared-write", "shared-copy", "read", "write", "copy"};
    for (const auto& each : totals) {
        Dl_info found{};
        dladdr(each.first.first, &found);
        std::fprintf(to, "traffic %s %#zx %s %llu %llu %llu\n", found.dli_fname ? found.dli_fname : "?", static_cast<size_t>(static_cast<const char*>(each.first.first) - static_cast<const char*>(found.dli_fbase)),
                     names[static_cast<int>(each.first.second)], static_cast<unsigned long long>(each.second.accesses), static_cast<unsigned long long>(each.second.taken), static_cast<unsigned long long>(each.second.least));
    }
}

} // namespace host
} // namespace memgen

#endif
