// Fibers: stacks that take turns on one thread of the host.
#pragma once

namespace memgen {
namespace host {

// Starts `count` fibers at `main`, the first one to run being `first`; returns when one of them leaves.
void enter_fibers(unsigned count, unsigned first, void (*main)());
// From one fiber to another, which goes on where it stopped.
void switch_to(unsigned fiber);
// Whether p is on the stack of a fiber.
bool on_stack(unsigned fiber, const void* p);
// From a fiber back to who entered. The others are forgotten as they are.
[[noreturn]] void leave_fibers();

} // namespace host
} // namespace memgen
