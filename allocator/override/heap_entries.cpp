#include "override/heap_entries.h"

namespace strata::override {

constinit void* g_originals[kEntryCount] = {};
constinit Counters g_counters;
constinit HeapContext g_context;
constinit HeapMap g_heap_map;

heap::Heap& HeapForOurBlock(const void* handle, const void* block,
                            os::Operation operation) noexcept {
    if (heap::Heap* const heap = HeapOf(handle)) return *heap;
    const heap::BlockInfo info = heap::Describe(block);
    if (info.status == heap::BlockStatus::kLive) {
        os::FatalWrongHeap(operation, block, handle, info.heap, info.requested);
    }
    heap::ReportBadPointer(operation, block, info, nullptr);
}

const void* ReplacementOf(Entry entry, Watch watch) noexcept {
    if (entry == Entry::kWalk) return WalkReplacement(watch);
    const void* const block = BlockReplacement(entry, watch);
    return block != nullptr ? block : HeapReplacement(entry, watch);
}

}  // namespace strata::override
