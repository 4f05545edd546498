#include "cache/flush.h"

#include <utility>

#include "cache/closed_bins.h"
#include "cache/parked_runs.h"
#include "cache/returned_blocks.h"
#include "store/exchange.h"
#include "store/registry.h"

namespace strata::cache {

using store::DestroyMagazine;
using store::Store;

namespace {

void MarkAllReturned(Heap& heap, const Bin& bin, SizeClass size_class) noexcept {
    MarkUnusedReturned(heap, size_class, bin.alloc_top - bin.alloc_count(), bin.alloc_count());
    MarkReturned(heap, size_class, bin.free_base, bin.free_count());
}

// REQUIRES: its blocks are marked.
void FlushMagazine(Store& store, SizeClass size_class, Magazine* magazine,
                   uint32_t count) noexcept {
    if (magazine == nullptr) return;
    // Nearly empty ones are not worth a place in the depot.
    const bool worthy = count * 2 >= magazine->capacity;
    if (count != 0 && store::PutMagazine(store, size_class, magazine, count, worthy)) return;
    DestroyMagazine(magazine);
}

void FlushBins(Heap& heap, Bin* bins) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        Bin& bin = bins[i];
        if (!bin.HasMagazine()) continue;  // most are, in most threads
        const auto size_class = static_cast<SizeClass>(i);
        MarkAllReturned(heap, bin, size_class);
        FlushMagazine(heap.home(), size_class, bin.alloc_magazine(), bin.alloc_count());
        FlushMagazine(heap.home(), size_class, bin.free_magazine(), bin.free_count());
        bin = Bin{};
    }
}

}  // namespace

void FlushBinToSlabs(Heap& heap, Bin& bin, SizeClass size_class) noexcept {
    MarkAllReturned(heap, bin, size_class);
    for (const auto& [magazine, count] : {std::pair{bin.alloc_magazine(), bin.alloc_count()},
                                          std::pair{bin.free_magazine(), bin.free_count()}}) {
        if (magazine == nullptr) continue;
        CurrentCache()->NoteRoom(bin, size_class, magazine->capacity, 0);
        if (count != 0) store::PutInSlabs(heap.home(), size_class, magazine->blocks, count);
        DestroyMagazine(magazine);
    }
    bin = Bin{};
}

void FlushAll(Heap& process_heap, ThreadCache& cache) noexcept {
    OpenAll(cache);
    FlushBins(process_heap, cache.bins);
    cache.room = 0;
    ReleaseParkedRuns(cache, true);
}

void FlushSlot(HeapSlot& slot) noexcept {
    if (slot.bins != nullptr) {
        if (slot.heap->serial.load(std::memory_order_relaxed) == slot.serial) {
            FlushBins(*slot.heap, slot.bins->bins);
        } else {
            for (Bin& bin : slot.bins->bins) {
                if (Magazine* m = bin.alloc_magazine()) DestroyMagazine(m);
                if (Magazine* m = bin.free_magazine()) DestroyMagazine(m);
            }
        }
        DestroyHeapBins(slot.bins);
    }
    slot = HeapSlot{};
}

void FlushOwn(Heap& heap) noexcept {
    ThreadCache* const cache = OwnCache();
    if (cache == nullptr) return;
    if (heap.is_process_heap) return FlushAll(heap, *cache);
    HeapSlot& slot = cache->SlotOf(&heap);
    if (slot.serial == heap.serial.load(std::memory_order_relaxed)) FlushSlot(slot);
}

void FlushThread(ThreadCache& cache) noexcept {
    // Nobody who ends waits for another thread's HeapLock.
    if (Heap* const heap = store::g_process_heap.load(std::memory_order_acquire)) {
        const store::GuestCall call(*heap);
        FlushAll(*heap, cache);
    }
    for (HeapSlot& slot : cache.slots) {
        if (slot.bins == nullptr) continue;
        Heap& heap = *slot.heap;
        const bool pinned = store::Pin(heap, slot.serial);
        {
            const store::GuestCall call(heap);
            FlushSlot(slot);
        }
        if (pinned) store::Unpin(heap);
    }
    DestroyThreadCache(&cache);
}

}  // namespace strata::cache
