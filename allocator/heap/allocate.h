// Allocation: everything that the fast path does not do.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// All of these: nullptr, with the out-of-memory error, when memory is short or `bytes` is
// impossible.
void* Allocate(Heap& heap, size_t bytes, bool zero) noexcept;
// `alignment`: a power of two.
void* AllocateAligned(Heap& heap, size_t alignment, size_t bytes, bool zero) noexcept;
void* AllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;
// The same without an error.
void* TryAllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;

// From the process heap: requests above kLinearLimit, first of all from the magazine of their
// class.
void* AllocateMedium(size_t bytes) noexcept;
void* AllocateMediumZeroed(size_t bytes) noexcept;
// From the process heap: any size, any state of the thread.
STRATA_COLD void* AllocateSlow(size_t bytes, bool zero) noexcept;

}  // namespace strata::heap
