// Allocation: everything that the fast path does not do.
#include <cstring>

#include "heap/bins.h"
#include "heap/fast_path.h"
#include "heap/heap.h"
#include "heap/runs.h"
#include "os/process.h"

namespace strata::heap {

namespace {

void* FailWithNoMemory() noexcept {
    os::SetOutOfMemoryError();
    return nullptr;
}

// Makes `block` a live block of `bytes`, zeroed when asked for and not known to be zero.
void* Finish(const slab::FreeBlock& block, SizeClass size_class, size_t bytes, bool zero) noexcept {
    const uint32_t usable = InfoOf(size_class).usable;
    if (zero && LoadState(block.state) != static_cast<uint8_t>(State::kFreeZero)) {
        std::memset(block.block, 0, bytes);
    }
    StoreLive(block.state, At<char>(block.block, usable), static_cast<uint32_t>(usable - bytes));
    return block.block;
}

void* AllocateFromSlab(Heap& heap, SizeClass size_class, size_t bytes, bool zero) noexcept {
    slab::FreeBlock block;
    if (!TakeBlock(heap, BinFor(heap, size_class), size_class, block)) return FailWithNoMemory();
    return Finish(block, size_class, bytes, zero);
}

void* AllocateLarge(Heap& heap, size_t alignment, size_t bytes, bool zero) noexcept {
    PurgeTick(heap);
    slab::LargeRun* run = slab::AllocateRun(bytes, alignment, zero, &heap);
    if (run == nullptr) return FailWithNoMemory();
    LinkRun(heap, *run);
    return run->base;
}

}  // namespace

void* Allocate(Heap& heap, size_t bytes, bool zero) noexcept {
    if (STRATA_UNLIKELY(bytes > kMaxSlabBlock)) {
        return AllocateLarge(heap, kMinAlignment, bytes, zero);
    }
    return AllocateFromSlab(heap, ClassOf(bytes), bytes, zero);
}

void* AllocateAligned(Heap& heap, size_t alignment, size_t bytes, bool zero) noexcept {
    if (alignment <= kMinAlignment) return Allocate(heap, bytes, zero);
    SizeClass size_class;
    if (AlignedClassOf(bytes, alignment, size_class)) {
        return AllocateFromSlab(heap, size_class, bytes, zero);
    }
    return AllocateLarge(heap, alignment, bytes, zero);
}

void* AllocateSlow(size_t bytes, bool zero) noexcept {
    Heap* heap = ProcessHeap();
    return heap == nullptr ? FailWithNoMemory() : Allocate(*heap, bytes, zero);
}

void FreeSlow(void* block) noexcept {
    if (block != nullptr) Free(nullptr, block);
}

}  // namespace strata::heap
