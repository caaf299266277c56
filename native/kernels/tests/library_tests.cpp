#include "test.h"

TEST(library_names_itself) {
    EXPECT(memgen_abi_version() == MEMGEN_ABI_VERSION);
    EXPECT(!std::strcmp(memgen_device(), "cpu"));
    for (int s = 0; s <= MEMGEN_INTERNAL_ERROR; s++) EXPECT(std::strcmp(memgen_status_string((memgen_status)s), "unknown status") != 0);
    EXPECT(!std::strcmp(memgen_status_string((memgen_status)99), "unknown status"));
    const char* forced = std::getenv("MEMORY_GEN_ISA");
    if (forced) EXPECT(!std::strcmp(memgen_isa(), forced));
}

TEST(library_has_one_device) {
    int32_t previous = -1;
    EXPECT_STATUS(MEMGEN_OK, memgen_use_device(0, &previous));
    EXPECT(previous == 0);
    EXPECT_STATUS(MEMGEN_OK, memgen_use_device(0, nullptr));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_use_device(1, &previous));
}

TEST(library_thread_count_is_checked) {
    int32_t before = memgen_get_threads();
    EXPECT(before >= 1);
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_set_threads(0));
    EXPECT_STATUS(MEMGEN_INVALID_ARGUMENT, memgen_set_threads(1 << 20));
    EXPECT(memgen_get_threads() == before);
}

// Runs only where MEMORY_GEN_ISA names a build that does not exist or that this CPU lacks.
TEST(hardware_is_refused_by_name) {
    memgen_gated_delta_rule_args a{};
    a.struct_size = sizeof a;
    EXPECT_STATUS(MEMGEN_UNSUPPORTED_HARDWARE, memgen_gated_delta_rule_forward(&a, nullptr, 0, nullptr));
    EXPECT(std::strstr(memgen_last_error(), "MEMORY_GEN_ISA") != nullptr);
}

TEST(library_restores_the_callers_floating_point_mode) {
    std::vector<float> x(64, 1.0f), y(64);
    memgen_unit_length_args a{};
    a.struct_size = sizeof a, a.rows = 1, a.features = 64;
    a.x.data = x.data(), a.y.data = y.data();
    a.x.stride[0] = a.y.stride[0] = 64, a.x.stride[1] = a.y.stride[1] = 1;
    EXPECT_STATUS(MEMGEN_OK, memgen_unit_length_forward(&a, nullptr, 0, nullptr));
    volatile float smallest = 1.17549435e-38f;
    EXPECT(smallest / 2 > 0);
}
