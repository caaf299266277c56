#include "fiber.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace memgen {
namespace host {
namespace {

constexpr size_t StackBytes = 256 * 1024; // touched pages alone take memory

// Stacks are kept: a kernel has thousands of blocks.
struct Stacks {
    std::vector<char*> all;

    char* at(unsigned i) {
        while (all.size() <= i) {
            void* p = mmap(nullptr, StackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (p == MAP_FAILED) {
                std::fprintf(stderr, "emulator: no memory for the stack of a thread\n");
                std::abort();
            }
            all.push_back(static_cast<char*>(p));
        }
        return all[i];
    }
};

Stacks stacks;
void (*fiber_main)();
unsigned running;

#if defined(__x86_64__)

// Where a stopped fiber's registers lie on its stack.
typedef void* Context;

extern "C" void memgen_switch_stack(Context* from, Context to);
__asm__(
    ".text\n"
    ".globl memgen_switch_stack\n"
    ".hidden memgen_switch_stack\n"
    ".type memgen_switch_stack,@function\n"
    "memgen_switch_stack:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size memgen_switch_stack,.-memgen_switch_stack\n");

void begin();

void prepare(Context& c, char* stack) {
    void** top = reinterpret_cast<void**>(stack + StackBytes) - 3; // as if called: 8 off a multiple of 16
    *--top = reinterpret_cast<void*>(&begin);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    c = top;
}

void exchange(Context& from, Context& to) { memgen_switch_stack(&from, to); }

#else

typedef ucontext_t Context;
void begin();

void prepare(Context& c, char* stack) {
    getcontext(&c);
    c.uc_stack.ss_sp = stack;
    c.uc_stack.ss_size = StackBytes;
    c.uc_link = nullptr;
    makecontext(&c, begin, 0);
}

void exchange(Context& from, Context& to) { swapcontext(&from, &to); }

#endif

std::vector<Context> contexts;
Context outside;

#if defined(__SANITIZE_ADDRESS__)
const void* outside_stack;
size_t outside_size;
void leaving(void** fake, const void* stack, size_t size) { __sanitizer_start_switch_fiber(fake, stack, size); }
void arrived(void* fake, const void** stack, size_t* size) { __sanitizer_finish_switch_fiber(fake, stack, size); }
// What the fiber that had this stack before, and never returned, left marked as its variables.
void fresh(char* stack) { ASAN_UNPOISON_MEMORY_REGION(stack, StackBytes); }
#else
const void* outside_stack;
size_t outside_size;
void leaving(void**, const void*, size_t) {}
void arrived(void*, const void**, size_t*) {}
void fresh(char*) {}
#endif

bool from_outside;

void begin() {
    if (from_outside) arrived(nullptr, &outside_stack, &outside_size);
    else arrived(nullptr, nullptr, nullptr);
    from_outside = false;
    fiber_main();
    std::abort();
}

} // namespace

void enter_fibers(unsigned count, unsigned first, void (*main)()) {
    fiber_main = main;
    contexts.resize(count);
    for (unsigned i = 0; i < count; i++) {
        fresh(stacks.at(i));
        prepare(contexts[i], stacks.at(i));
    }
    running = first;
    from_outside = true;
    void* fake = nullptr;
    leaving(&fake, stacks.at(first), StackBytes);
    exchange(outside, contexts[first]);
    arrived(fake, nullptr, nullptr);
}

void switch_to(unsigned fiber) {
    const unsigned from = running;
    running = fiber;
    void* fake = nullptr;
    leaving(&fake, stacks.at(fiber), StackBytes);
    exchange(contexts[from], contexts[fiber]);
    arrived(fake, nullptr, nullptr);
}

bool on_stack(unsigned fiber, const void* p) {
    const char* stack = stacks.at(fiber);
    return p >= stack && p < stack + StackBytes;
}

void leave_fibers() {
    leaving(nullptr, outside_stack, outside_size);
    exchange(contexts[running], outside);
    std::abort();
}

} // namespace host
} // namespace memgen
