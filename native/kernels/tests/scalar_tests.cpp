#include "memgen_scalars.h"
#include "test.h"

namespace {

std::vector<void*> freed;

void* numbered(int64_t i) { return reinterpret_cast<void*>(i + 1); }

} // namespace

TEST(scalars_are_freed_once_each_when_many_more_were_given_back) {
    memgen_keep_scalars([](void* scalar) { freed.push_back(scalar); });
    for (int64_t i = 0; i < MEMGEN_KEPT_SCALARS; i++) THSTorch_dispose_scalar(numbered(i));
    EXPECT(freed.empty());
    for (int64_t i = 0; i < 3; i++) THSTorch_dispose_scalar(numbered(MEMGEN_KEPT_SCALARS + i));
    EXPECT((freed == std::vector<void*>{numbered(0), numbered(1), numbered(2)}));
}
