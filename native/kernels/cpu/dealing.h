// How the heads and strips of matrix memories are dealt out to workers.
#pragma once
#include <cstdint>

namespace memgen {

struct Dealing {
    int64_t group, parts; // heads of an item, and how many items share the strips of such a group

    int64_t groups(int64_t heads) const { return (heads + group - 1) / group; }
};

// Groups of heads as large as leaves every worker the same number of heads (their rows lie side by side in
// memory), or so small that what is left over at the end is little; strips are dealt out too where heads are too few.
// sequences: how many of equal length.
inline Dealing deal(int64_t heads, int64_t largest_group, int64_t sequences, int64_t strips, int64_t workers) {
    Dealing d = {largest_group, 1};
    auto even = [&] { return heads % d.group == 0 && sequences * d.groups(heads) % workers == 0; };
    while (d.group > 1 && !even() && sequences * d.groups(heads) < 4 * workers) d.group--;
    const int64_t items = sequences * d.groups(heads);
    if (items > 0 && !even() && items < 4 * workers) {
        d.parts = (4 * workers + items - 1) / items;
        if (d.parts > strips) d.parts = strips;
    }
    return d;
}

} // namespace memgen
