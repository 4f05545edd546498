// Figures of the whole process. Sizes in bytes.
#pragma once

#include <cstddef>

#include "heap/block.h"

namespace strata::heap {

struct Statistics {
    size_t reserved = 0;
    size_t committed = 0;
    size_t peak_committed = 0;
    size_t metadata = 0;  // the part of `committed` that holds records
    size_t live_blocks = 0;
    size_t live_bytes = 0;  // requested
    size_t heaps = 0;
    size_t arenas = 0;
    size_t commit_calls = 0;
    size_t decommit_calls = 0;
    size_t reserve_calls = 0;
    size_t release_calls = 0;
};

// Visits every slab of every heap. Each class is counted under its lock, one after the other.
void Collect(Statistics& statistics) noexcept;

// The part of one size class, or of the large runs, in one heap.
struct ClassStatistics {
    size_t block_bytes = 0;  // usable size; 0 for large runs
    size_t slabs = 0;        // or runs
    size_t live_blocks = 0;
    size_t live_bytes = 0;
    size_t committed = 0;
};
ClassStatistics CollectClass(Heap& heap, size_t class_index) noexcept;
ClassStatistics CollectRuns(Heap& heap) noexcept;

// Goes through all heaps that there are now, oldest first, and holds none of them in between: the
// caller may make and destroy heaps meanwhile, and so may other threads.
struct HeapCursor {
    Heap* heap = nullptr;
    uint64_t serial = 0;
    uint64_t last = 0;
    bool is_process_heap = false;
};
HeapCursor AllHeaps() noexcept;
// False behind the last heap.
bool NextHeap(HeapCursor& cursor) noexcept;
// The figures of the class with this index, or of the large runs (kLargePart), in the heap that the
// cursor is at. False when it has ended.
inline constexpr size_t kLargePart = SIZE_MAX;
bool CollectPart(const HeapCursor& cursor, size_t part, ClassStatistics& sum) noexcept;

// The largest block that could be allocated from the heap's committed free memory.
size_t LargestFreeBlock(Heap& heap) noexcept;

}  // namespace strata::heap
