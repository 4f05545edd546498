#include "heap/dormant.h"

#include <bit>

#include "arena/purge_policy.h"
#include "cache/thread_cache.h"
#include "store/heap_records.h"
#include "store/registry.h"

namespace strata::heap {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// So many blocks of each class wait for the next heap in the thread's bins. More are had from the
// slab in one go, fewer cost nothing when the heap ends.
constexpr uint32_t kDormantFill = 7;

// Nobody else has a heap that ends or begins: its locks are not taken here, which the analysis of
// locks is not to mind.

// Calls f(store, class index) for every class of every store that has slabs.
template <typename F>
void ForEachUsedClass(Heap& heap, F f) noexcept {
    for (Store& store : heap.stores()) {
        for (size_t word = 0; word < std::size(store.used_classes); ++word) {
            uint64_t left = store.used_classes[word].load(kRelaxed);
            for (; left != 0; left &= left - 1) {
                f(store, word * 64 + static_cast<size_t>(std::countr_zero(left)));
            }
        }
    }
}

// The calling thread's bins for the heap that had this serial, or nullptr.
cache::HeapSlot* OwnSlot(Heap& heap, uint64_t serial) noexcept {
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (cache == nullptr) return nullptr;
    cache::HeapSlot& slot = cache->SlotOf(&heap);
    return slot.heap == &heap && slot.serial == serial && slot.bins != nullptr ? &slot : nullptr;
}

// What was in the bin is no more; it gets new blocks from `slab`, if there is one.
void FillBin(cache::Bin& bin, slab::Slab* slab) noexcept {
    if (bin.alloc_magazine() == nullptr) bin.Swap();
    cache::Magazine* const magazine = bin.alloc_magazine();
    if (magazine == nullptr) return;
    uint32_t taken = 0;
    if (slab != nullptr) {
        uint32_t want = kDormantFill;
        if (want > magazine->capacity) want = magazine->capacity;
        if (want > slab->free) want = slab->free;
        taken = slab::TakeBlocks(*slab, magazine->blocks, want, false);
    }
    bin.SetAlloc(magazine, taken);
    bin.SetFree(bin.free_magazine(), 0);
}

void ForgetUses(Heap& heap) noexcept {
    for (Store& store : heap.stores()) store.ForgetUses();
}

}  // namespace

bool RetireSlabs(Heap& heap, uint64_t serial) noexcept {
    cache::HeapSlot* const slot = OwnSlot(heap, serial);
    size_t budget = heap.is_unchecked && heap.access == os::Access::kReadWrite ? kDormantBytes : 0;
    bool kept_any = false;
    ForEachUsedClass(heap, [&](Store& store, size_t i) STRATA_NO_THREAD_SAFETY_ANALYSIS {
        store::ClassStore& part = store.classes[i];
        while (cache::Magazine* magazine = part.depot.Take()) store::DestroyMagazine(magazine);
        slab::Slab* const kept = part.slabs.DestroyAllButOne(budget);
        if (slot != nullptr) FillBin(slot->bins->bins[i], kept);
        if (kept == nullptr) {
            store.used_classes[i / 64].fetch_and(~(uint64_t{1} << (i % 64)), kRelaxed);
            return;
        }
        budget -= kept->committed();
        kept_any = true;
    });
    for (Store& store : heap.stores()) store.depot_bytes.store(0, kRelaxed);
    // What was asked for often will be again, by the heap that follows. One that leaves nothing
    // starts anew.
    if (!kept_any) ForgetUses(heap);
    heap.dormant_serial = serial;
    // Without slabs the record may serve a heap that checks, whose blocks must not pass through
    // bins.
    heap.dormant_thread = slot != nullptr && kept_any ? os::ThreadToken() : 0;
    return kept_any;
}

namespace {

cache::HeapSlot* DormantSlot(Heap& heap) noexcept {
    return heap.dormant_thread == os::ThreadToken() ? OwnSlot(heap, heap.dormant_serial) : nullptr;
}

}  // namespace

void ReviveSlabs(Heap& heap) noexcept {
    if (DormantSlot(heap) != nullptr) return;
    // Another thread's bins have blocks of them: they are none any more.
    heap.dormant_thread = 0;
    ForEachUsedClass(heap, [&](Store& store, size_t i) STRATA_NO_THREAD_SAFETY_ANALYSIS {
        store.classes[i].slabs.ForEach([&](slab::Slab& slab) {
            if (slab.free != slab.limit) slab::ResetSlab(slab);
        });
    });
}

void ReviveBins(Heap& heap) noexcept {
    if (cache::HeapSlot* const slot = DormantSlot(heap)) {
        slot->serial = heap.serial.load(kRelaxed);
    }
    heap.dormant_thread = 0;
}

void ReleaseSlabs(Heap& heap) noexcept {
    ForEachUsedClass(heap, [](Store& store, size_t i) STRATA_NO_THREAD_SAFETY_ANALYSIS {
        store.classes[i].slabs.DestroyAll();
    });
    for (Store& store : heap.stores()) {
        for (std::atomic<uint64_t>& word : store.used_classes) word.store(0, kRelaxed);
    }
    ForgetUses(heap);
    heap.dormant_thread = 0;
}

void ReleaseDormant(uint64_t now, bool everything) noexcept {
    const uint64_t epoch = now / kEpochMilliseconds;
    const uint64_t decay = everything ? 0 : arena::g_purge_policy.decay_epochs;
    while (store::DormantRecords() != 0) {
        Heap* heap;
        {
            const os::LockGuard guard(store::g_registry_lock, os::kStackForRegistry);
            heap = store::TakeDormantRecordLocked(epoch < decay ? 0 : epoch - decay);
        }
        if (heap == nullptr) return;
        ReleaseSlabs(*heap);
        const os::LockGuard guard(store::g_registry_lock, os::kStackForRegistry);
        store::GiveRecordBackLocked(heap, false);
    }
}

}  // namespace strata::heap
