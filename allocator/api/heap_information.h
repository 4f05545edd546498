// HeapSetInformation and HeapQueryInformation, behind the StrataHeap* functions and the redirected
// entry points alike. Reference: Microsoft's pages on the two, "HEAP_INFORMATION_CLASS", and on
// HEAP_OPTIMIZE_RESOURCES_INFORMATION.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/heap.h"

namespace strata::api {

// HEAP_INFORMATION_CLASS.
inline constexpr uint32_t kHeapCompatibilityInformation = 0;
inline constexpr uint32_t kHeapEnableTerminationOnCorruption = 1;
inline constexpr uint32_t kHeapOptimizeResources = 3;

enum class InformationError : uint8_t {
    kNone,
    kInvalidParameter,
    kBufferTooSmall,
    kFailed,    // cannot be done to this heap, or not be undone
    kNoAccess,  // no heap to ask
};

// The compatibility mode: 0, a standard heap, or 2, the low-fragmentation heap, which stays. What
// Strata does is the same in both; but programs ask, and a heap answers as on Windows: 0 at first,
// 2 when it is told so or in use for a while. Heaps that cannot have it, without serialisation, of
// fixed size or with checks, answer 0. `needed`, if not null, is set to the size of the answer.
// `heap` may be null.
InformationError QueryHeapInformation(heap::Heap* heap, uint32_t information_class,
                                      void* information, size_t bytes, size_t* needed) noexcept;

// Termination on corruption is always on. Optimising resources gives cached memory back, of all
// heaps when `heap` is null.
InformationError SetHeapInformation(heap::Heap* heap, uint32_t information_class,
                                    const void* information, size_t bytes) noexcept;

}  // namespace strata::api
