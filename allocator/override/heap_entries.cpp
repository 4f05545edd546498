#include "override/heap_entries.h"

namespace strata::override {

constinit void* g_originals[kEntryCount] = {};
constinit Counters g_counters;
constinit HeapContext g_context;
constinit HeapMap g_heap_map;

bool IsInHotpatch(const void* address) noexcept {
    for (size_t i = 0; i < g_context.hotpatch_count; ++i) {
        if (g_context.hotpatches[i].Contains(address)) return true;
    }
    return false;
}

bool AddNtdllPart(const ModuleImage& hotpatch) noexcept {
    if (IsInHotpatch(reinterpret_cast<const void*>(hotpatch.begin))) return true;
    if (g_context.hotpatch_count == kMaxHotpatches) return false;
    g_context.hotpatches[g_context.hotpatch_count++] = hotpatch;
    return true;
}

void ReportBlockOfNoHeap(const void* handle, const void* block, os::Operation operation) noexcept {
    const heap::BlockInfo info = heap::Describe(block);
    if (info.status == heap::BlockStatus::kLive) {
        os::FatalWrongHeap(operation, block, handle, info.heap, info.requested);
    }
    heap::ReportBadPointer(operation, block, info, nullptr);
}

heap::Heap& HeapForOurBlock(const void* handle, const void* block,
                            os::Operation operation) noexcept {
    heap::Heap* const heap = HeapOf(handle);
    if (heap == nullptr) ReportBlockOfNoHeap(handle, block, operation);
    return *heap;
}

const void* ReplacementOf(Entry entry, Watch watch) noexcept {
    if (entry == Entry::kWalk) return WalkReplacement(watch);
    const void* const block = BlockReplacement(entry, watch);
    return block != nullptr ? block : HeapReplacement(entry, watch);
}

}  // namespace strata::override
