#include "heap/validate.h"

#include "heap/tail.h"
#include "store/heap_lock.h"

namespace strata::heap {

using store::PartGuard;

namespace {

// What cannot be overwritten by a program but through a bug of Strata's; and, with checks, what
// can.
bool HasIntactTails(const Heap& heap, const slab::Slab& slab) noexcept {
    for (uint32_t i = 0; i < slab.limit; ++i) {
        uint32_t slack;
        char* const block = slab.BlockAt(i);
        if (!ReadSlack(slab.states + i, block + slab.usable(), slack)) continue;
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

bool AreSlabsConsistent(const Store& store, const store::ClassStore& part,
                        size_t class_index) noexcept STRATA_REQUIRES(part.depot.lock) {
    const Heap& heap = *store.heap;
    bool good = true;
    part.slabs.ForEach([&](const slab::Slab& slab) {
        good = good && slab.heap == &heap && slab.store == &store &&
               Index(slab.size_class) == class_index && slab::IsConsistent(slab) &&
               (!heap.check_tail || HasIntactTails(heap, slab));
    });
    return good;
}

bool IsRunConsistent(const Store& store, const slab::LargeRun& run) noexcept {
    const size_t requested = run.requested.load(std::memory_order_relaxed);
    return run.heap == store.heap && run.store == &store && requested <= run.Committed() &&
           run.Committed() <= run.capacity() &&
           arena::g_slice_map.Find(AddressOf(run.base)) != nullptr &&
           (!store.heap->check_tail || IsTailIntact(run.base + requested));
}

bool AreRunsConsistent(const Store& store) noexcept STRATA_REQUIRES(store.runs_lock) {
    for (const slab::LargeRun* run = store.runs; run != nullptr; run = run->next) {
        if (!IsRunConsistent(store, *run)) return false;
    }
    for (const slab::GuardedBlock* guarded = store.guarded; guarded != nullptr;
         guarded = guarded->next) {
        if (guarded->heap != store.heap || guarded->store != &store) return false;
        if (slab::FindOverwritten(*guarded) != slab::Overwritten::kNothing) return false;
    }
    return true;
}

bool IsStoreConsistent(Store& store) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        store::ClassStore& part = store.classes[i];
        const PartGuard guard(store, part);
        if (!AreSlabsConsistent(store, part, i)) return false;
    }
    const PartGuard guard(store, store.runs_lock);
    return AreRunsConsistent(store);
}

}  // namespace

bool IsConsistent(Heap& heap) noexcept {
    for (Store& store : heap.stores()) {
        if (!IsStoreConsistent(store)) return false;
    }
    if (heap.region == nullptr) return true;
    const store::RegionGuard guard(heap);
    return IsRegionConsistent(heap);
}

}  // namespace strata::heap
