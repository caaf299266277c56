// No worker waits long for another: whoever is free takes an item of its own share or, once that is taken, of the next ones.
#include "../cpu/dealing.h"

#include <algorithm>

#include "test.h"

namespace {

using namespace memgen;

// Strips that the busiest worker takes.
int64_t busiest(const Dealing& d, int64_t heads, int64_t sequences, int64_t strips, int64_t workers) {
    std::vector<int64_t> items, load(static_cast<size_t>(workers)), next;
    for (int64_t s = 0; s < sequences; s++)
        for (int64_t g = 0; g < d.groups(heads); g++)
            for (int64_t p = 0; p < d.parts; p++) items.push_back(std::min(d.group, heads - g * d.group) * (strips * (p + 1) / d.parts - strips * p / d.parts));
    const int64_t count = static_cast<int64_t>(items.size());
    for (int64_t w = 0; w < workers; w++) next.push_back(count * w / workers);
    for (int64_t taken = 0; taken < count; taken++) {
        const int64_t free = std::min_element(load.begin(), load.end()) - load.begin();
        int64_t share = free;
        while (next[static_cast<size_t>(share)] == count * (share + 1) / workers) share = (share + 1) % workers;
        load[static_cast<size_t>(free)] += items[static_cast<size_t>(next[static_cast<size_t>(share)]++)];
    }
    return *std::max_element(load.begin(), load.end());
}

TEST(work_is_dealt_evenly) {
    for (int64_t workers : {1, 2, 3, 4, 8})
        for (int64_t heads = 1; heads <= 32; heads++)
            for (int64_t sequences : {1, 2, 3, 8})
                for (int64_t strips : {2, 4, 8})
                    for (int64_t largest = 1; largest <= std::min<int64_t>(heads, 32); largest *= 2) {
                        Dealing d = deal(heads, largest, sequences, strips, workers);
                        int64_t all = heads * sequences * strips, even = (all + workers - 1) / workers;
                        // A quarter more, or the one strip or head that cannot be halved.
                        int64_t most = std::max(even + even / 4, even + std::max<int64_t>(1, d.parts < strips && d.parts > 1 ? (strips + d.parts - 1) / d.parts : 0));
                        if (busiest(d, heads, sequences, strips, workers) > most)
                            report_failure(__FILE__, __LINE__, std::to_string(heads) + " heads of " + std::to_string(sequences) + " sequences, groups of up to " + std::to_string(largest) + ", " +
                                                                   std::to_string(strips) + " strips, " + std::to_string(workers) + " workers: " + std::to_string(busiest(d, heads, sequences, strips, workers)) + " of " + std::to_string(all));
                    }
}

TEST(four_heads_and_two_workers_are_two_each) {
    Dealing d = deal(4, 4, 1, 4, 2);
    EXPECT(d.group == 2 && d.parts == 1);
}

} // namespace
