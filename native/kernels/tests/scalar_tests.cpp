#include "memgen_scalars.h"
#include "test.h"

namespace {

std::vector<void*> freed;

void* numbered(int64_t i) { return reinterpret_cast<void*>(i + 1); }
void free_one(void* scalar) { freed.push_back(scalar); }

// One scalar is kept, which is none, whatever tests before this one have left.
void settle() {
    memgen_keep_scalars(free_one, 0);
    for (int64_t i = 0; i <= MEMGEN_KEPT_SCALARS; i++) THSTorch_dispose_scalar(nullptr);
    freed.clear();
}

} // namespace

TEST(scalars_before_their_time_are_freed_only_when_many_are_kept) {
    settle();
    memgen_keep_scalars(free_one, std::numeric_limits<int64_t>::max());
    for (int64_t i = 0; i < MEMGEN_KEPT_SCALARS - 1; i++) THSTorch_dispose_scalar(numbered(i));
    EXPECT(freed.empty());
    for (int64_t i = 0; i < 3; i++) THSTorch_dispose_scalar(numbered(MEMGEN_KEPT_SCALARS + i));
    EXPECT((freed == std::vector<void*>{nullptr, numbered(0), numbered(1)}));
}

TEST(scalars_whose_time_has_come_are_freed_two_at_a_time) {
    settle();
    memgen_keep_scalars(free_one, std::numeric_limits<int64_t>::max());
    for (int64_t i = 0; i < 3; i++) THSTorch_dispose_scalar(numbered(i));
    memgen_keep_scalars(free_one, 0);
    THSTorch_dispose_scalar(numbered(3));
    EXPECT((freed == std::vector<void*>{nullptr, numbered(0)}));
    THSTorch_dispose_scalar(numbered(4));
    EXPECT((freed == std::vector<void*>{nullptr, numbered(0), numbered(1), numbered(2)}));
}
