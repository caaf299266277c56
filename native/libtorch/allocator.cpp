// Memory of tensors on the CPU: small blocks are kept by the thread that frees them and handed out again. glibc's aligned blocks go
// past its per-thread lists, and freeing one of 64 kB or more makes it join up all small ones; a model that decodes asks for a hundred
// blocks a token and gives them back.
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <cstddef>
#include <cstring>

namespace {

// In front of a tensor's first element, which is aligned as it is.
struct alignas(64) Block {
  size_t kind;
  Block* next;
};

constexpr size_t FineStep = 64, FineKinds = 64, CoarseStep = 1024, CoarseKinds = 128;
constexpr size_t Kinds = FineKinds + CoarseKinds - FineKinds * FineStep / CoarseStep + 1, Largest = CoarseKinds * CoarseStep, TooLarge = Kinds;
constexpr size_t MostKept = 4 << 20;  // bytes a thread

size_t kind_of(size_t bytes) {
  if (bytes <= FineKinds * FineStep) return (bytes + FineStep - 1) / FineStep;
  if (bytes <= Largest) return FineKinds - FineKinds * FineStep / CoarseStep + (bytes + CoarseStep - 1) / CoarseStep;
  return TooLarge;
}

size_t bytes_of(size_t kind) {
  return kind <= FineKinds ? kind * FineStep : (kind - FineKinds) * CoarseStep + FineKinds * FineStep;
}

// Tensors may go after a thread's own variables have.
thread_local bool thread_ends = false;

struct Kept {
  Block* first[Kinds] = {};
  size_t bytes = 0;

  ~Kept() {
    thread_ends = true;
    for (Block* block : first)
      while (block) {
        Block* next = block->next;
        c10::free_cpu(block);
        block = next;
      }
  }
};

thread_local Kept kept;

void give_back(void* data) {
  if (!data) return;
  Block* block = static_cast<Block*>(data) - 1;
  if (block->kind == TooLarge || thread_ends || kept.bytes + bytes_of(block->kind) > MostKept) {
    c10::free_cpu(block);
    return;
  }
  kept.bytes += bytes_of(block->kind);
  block->next = kept.first[block->kind];
  kept.first[block->kind] = block;
}

c10::DataPtr take(size_t bytes) {
  void* data = nullptr;
  if (bytes > 0) {
    const size_t kind = kind_of(bytes);
    Block* block = kind == TooLarge || thread_ends ? nullptr : kept.first[kind];
    if (block) {
      kept.first[kind] = block->next;
      kept.bytes -= bytes_of(kind);
    } else {
      block = static_cast<Block*>(c10::alloc_cpu(sizeof(Block) + (kind == TooLarge ? bytes : bytes_of(kind))));
      block->kind = kind;
    }
    data = block + 1;
  }
  return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
}

// libtorch's versions differ in whether allocate is const, and newer ones want copy_data: each overrides what it knows.
struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const { return take(bytes); }
  c10::DataPtr allocate(size_t bytes) { return take(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const { std::memcpy(to, from, bytes); }
};

// Never destroyed: tensors may outlive everything.
const bool installed = [] {
  c10::SetCPUAllocator(new Allocator, 1);
  return true;
}();

}  // namespace
