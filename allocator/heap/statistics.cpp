#include "heap/statistics.h"

#include "heap/parts.h"
#include "heap/registry.h"
#include "heap/tail.h"

namespace strata::heap {

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

// What cannot be overwritten by a program but through a bug of Strata's; and, with checks, what can.
bool HasIntactTails(const Heap& heap, const slab::Slab& slab) noexcept {
    for (uint32_t i = 0; i < slab.limit; ++i) {
        uint32_t slack;
        char* const block = slab.BlockAt(i);
        if (!ReadSlack(slab.states + i, block + slab.usable(), slack)) continue;
        if (!heap.check_tail) continue;
        const size_t usable = slab.usable();
        if (slack > usable) return false;
        if (!IsTailIntactOf(
                heap, {block, usable - slack, usable, HasUserRecord(LoadState(slab.states + i))})) {
            return false;
        }
    }
    return true;
}

bool IsRegionConsistent(const Heap& heap) noexcept {
    const slab::Region& region = *heap.region;
    if (region.heap != &heap || !region.map.IsConsistent()) return false;
    slab::RegionBlock block;
    const void* after = nullptr;
    while (slab::NextInRegion(region, after, heap.TailOf(), block)) {
        after = block.block;
        const char* const bytes = static_cast<const char*>(block.block);
        if (block.status == slab::RegionBlock::Status::kLive) {
            if (heap.check_tail && !IsTailIntact(bytes + block.requested)) return false;
        } else if (heap.check_free && FindChangedFill(bytes, block.usable) != block.usable) {
            return false;
        }
    }
    return true;
}

}  // namespace

ClassStatistics CollectClass(Heap& heap, size_t class_index) noexcept {
    ClassStatistics sum;
    sum.block_bytes = kClassTable[class_index].usable;
    if (!heap.Uses(class_index)) return sum;
    ClassState& state = heap.classes[class_index];
    const PartGuard guard(state.depot.lock, PartGuard::Look::kOnly);
    state.slabs.ForEach([&](const slab::Slab& slab) { AddSlab(slab, sum); });
    return sum;
}

ClassStatistics CollectRuns(Heap& heap) noexcept {
    ClassStatistics sum;
    const PartGuard guard(heap.runs_lock, PartGuard::Look::kOnly);
    for (const slab::LargeRun* run = heap.runs; run != nullptr; run = run->next) {
        ++sum.slabs;
        sum.committed += run->extent();
        if (!run->IsLive()) continue;  // parked
        ++sum.live_blocks;
        sum.live_bytes += run->requested.load(kRelaxed);
    }
    for (const slab::GuardedBlock* guarded = heap.guarded; guarded != nullptr;
         guarded = guarded->next) {
        ++sum.slabs;
        sum.committed += guarded->committed;
        ++sum.live_blocks;
        sum.live_bytes += guarded->requested.load(kRelaxed);
    }
    if (heap.region != nullptr) AddRegion(*heap.region, heap.TailOf(), sum);
    return sum;
}

HeapCursor AllHeaps() noexcept {
    HeapCursor cursor;
    cursor.last = NewestSerial();
    return cursor;
}

bool NextHeap(HeapCursor& cursor) noexcept {
    Heap* const heap = PinAfter(cursor.serial, cursor.heap);
    if (heap == nullptr) return false;
    cursor.heap = heap;
    cursor.serial = heap->serial.load(kRelaxed);
    cursor.is_process_heap = heap->is_process_heap;
    Unpin(*heap);
    return cursor.serial <= cursor.last;
}

bool CollectPart(const HeapCursor& cursor, size_t part, ClassStatistics& sum) noexcept {
    Heap& heap = *cursor.heap;
    if (!Pin(heap, cursor.serial)) return false;
    sum = part == kLargePart ? CollectRuns(heap) : CollectClass(heap, part);
    Unpin(heap);
    return true;
}

void ForEachHeap(HeapVisitor visitor, void* context) noexcept {
    for (Heap* heap = PinNext(nullptr); heap != nullptr; heap = PinNext(heap)) {
        visitor(context, *heap);
    }
}

void Collect(Statistics& statistics) noexcept {
    statistics = Statistics{};
    ForEachHeap(
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
        const PartGuard guard(heap, heap.runs_lock);
        return slab::LargestFreeInRegion(*heap.region);
    }
    size_t largest = 0;
    for (size_t i = kSizeClasses; i-- > 0 && largest == 0;) {
        const PartGuard guard(heap, static_cast<SizeClass>(i));
        heap.classes[i].slabs.ForEach([&](const slab::Slab& slab) {
            if (slab.free != 0 && slab.usable() > largest) largest = slab.usable();
        });
    }
    return largest;
}

bool IsConsistent(Heap& heap) noexcept {
    bool good = true;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const PartGuard guard(heap, static_cast<SizeClass>(i));
        heap.classes[i].slabs.ForEach([&](const slab::Slab& slab) {
            good = good && slab.heap == &heap && Index(slab.size_class) == i &&
                   slab::IsConsistent(slab) && (heap.is_plain || HasIntactTails(heap, slab));
        });
    }
    const PartGuard guard(heap, heap.runs_lock);
    for (const slab::LargeRun* run = heap.runs; run != nullptr; run = run->next) {
        const size_t requested = run->requested.load(kRelaxed);
        good = good && run->heap == &heap && requested <= run->Committed() &&
               run->Committed() <= run->capacity() &&
               arena::g_slice_map.Find(AddressOf(run->base)) != nullptr &&
               (!heap.check_tail || IsTailIntact(run->base + requested));
    }
    for (const slab::GuardedBlock* guarded = heap.guarded; good && guarded != nullptr;
         guarded = guarded->next) {
        good = guarded->heap == &heap &&
               slab::FindOverwritten(*guarded) == slab::Overwritten::kNothing;
    }
    return good && (heap.region == nullptr || IsRegionConsistent(heap));
}

}  // namespace strata::heap
