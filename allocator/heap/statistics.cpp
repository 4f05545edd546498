#include "heap/statistics.h"

#include "arena/process_arenas.h"
#include "store/heap_lock.h"
#include "store/registry.h"

namespace strata::heap {

using store::PartGuard;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void AddSlab(const slab::Slab& slab, ClassStatistics& sum) noexcept {
    ++sum.slabs;
    sum.committed += slab.committed();
    const size_t usable = slab.usable();
    for (uint32_t i = 0; i < slab.limit; ++i) {
        uint32_t slack;
        if (!ReadSlack(slab.states + i, slab.BlockAt(i) + usable, slack)) continue;
        ++sum.live_blocks;
        if (slack <= usable) sum.live_bytes += usable - slack;
    }
}

void AddRuns(const Store& store, ClassStatistics& sum) noexcept STRATA_REQUIRES(store.runs_lock) {
    for (const slab::LargeRun* run = store.runs; run != nullptr; run = run->next) {
        ++sum.slabs;
        sum.committed += run->extent();
        if (!run->IsLive()) continue;  // parked
        ++sum.live_blocks;
        sum.live_bytes += run->requested.load(kRelaxed);
    }
    for (const slab::GuardedBlock* guarded = store.guarded; guarded != nullptr;
         guarded = guarded->next) {
        ++sum.slabs;
        sum.committed += guarded->committed;
        ++sum.live_blocks;
        sum.live_bytes += guarded->requested.load(kRelaxed);
    }
}

void AddRegion(const slab::Region& region, uint32_t tail, ClassStatistics& sum) noexcept {
    ++sum.slabs;
    sum.committed += region.committed;
    slab::RegionBlock block;
    const void* after = nullptr;
    while (slab::NextInRegion(region, after, tail, block)) {
        after = block.block;
        if (block.status != slab::RegionBlock::Status::kLive) continue;
        ++sum.live_blocks;
        sum.live_bytes += block.requested;
    }
}

}  // namespace

ClassStatistics CollectClass(Heap& heap, size_t class_index) noexcept {
    ClassStatistics sum;
    sum.block_bytes = kClassTable[class_index].usable;
    for (Store& store : heap.stores()) {
        if (!store.Uses(class_index)) continue;
        store::ClassStore& part = store.classes[class_index];
        const PartGuard guard(part.depot.lock, PartGuard::Look::kOnly);
        part.slabs.ForEach([&](const slab::Slab& slab) { AddSlab(slab, sum); });
    }
    return sum;
}

ClassStatistics CollectRuns(Heap& heap) noexcept {
    ClassStatistics sum;
    for (Store& store : heap.stores()) {
        const PartGuard guard(store.runs_lock, PartGuard::Look::kOnly);
        AddRuns(store, sum);
    }
    if (heap.region != nullptr) {
        const PartGuard guard(heap.home().runs_lock, PartGuard::Look::kOnly);
        AddRegion(*heap.region, heap.TailOf(), sum);
    }
    return sum;
}

HeapCursor AllHeaps() noexcept {
    HeapCursor cursor;
    cursor.last = store::NewestSerial();
    return cursor;
}

bool NextHeap(HeapCursor& cursor) noexcept {
    Heap* const heap = store::PinAfter(cursor.serial, cursor.heap);
    if (heap == nullptr) return false;
    cursor.heap = heap;
    cursor.serial = heap->serial.load(kRelaxed);
    cursor.is_process_heap = heap->is_process_heap;
    store::Unpin(*heap);
    return cursor.serial <= cursor.last;
}

bool CollectPart(const HeapCursor& cursor, size_t part, ClassStatistics& sum) noexcept {
    Heap& heap = *cursor.heap;
    if (!store::Pin(heap, cursor.serial)) return false;
    sum = part == kLargePart ? CollectRuns(heap) : CollectClass(heap, part);
    store::Unpin(heap);
    return true;
}

void Collect(Statistics& statistics) noexcept {
    statistics = Statistics{};
    store::ForEachHeap(
        [](void* context, Heap& heap) {
            auto& sum = *static_cast<Statistics*>(context);
            ++sum.heaps;
            const auto add = [&](const ClassStatistics& part) {
                sum.live_blocks += part.live_blocks;
                sum.live_bytes += part.live_bytes;
            };
            for (size_t i = 0; i < kSizeClasses; ++i) add(CollectClass(heap, i));
            add(CollectRuns(heap));
        },
        &statistics);
    const os::MemoryCounters counters = arena::g_memory.Counters();
    statistics.reserved = counters.reserved;
    statistics.committed = counters.committed;
    statistics.peak_committed = counters.peak_committed;
    statistics.commit_calls = counters.commit_calls;
    statistics.decommit_calls = counters.decommit_calls;
    statistics.reserve_calls = counters.reserve_calls;
    statistics.release_calls = counters.release_calls;
    statistics.arenas = arena::g_arenas.arenas();
    const size_t blocks = arena::g_arenas.slice_committed() + slab::DirectCommitted();
    statistics.metadata = counters.committed > blocks ? counters.committed - blocks : 0;
}

size_t LargestFreeBlock(Heap& heap) noexcept {
    if (heap.region != nullptr) {
        const store::RegionGuard guard(heap);
        return slab::LargestFreeInRegion(*heap.region);
    }
    for (size_t i = kSizeClasses; i-- > 0;) {
        bool found = false;
        for (Store& store : heap.stores()) {
            store::ClassStore& part = store.classes[i];
            const PartGuard guard(store, part);
            part.slabs.ForEach([&](const slab::Slab& slab) { found = found || slab.free != 0; });
        }
        if (found) return kClassTable[i].usable;
    }
    return 0;
}

}  // namespace strata::heap
