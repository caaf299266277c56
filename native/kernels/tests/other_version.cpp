extern "C" __attribute__((visibility("default"))) int memgen_abi_version(void) { return 1000000; }
