#include "store/exchange.h"

#include "arena/process_arenas.h"
#include "store/bin_offset.h"

namespace strata::store {

namespace {

STRATA_INLINE slab::SlabRequest RequestFor(Store& store, SizeClass size_class) noexcept {
    Heap& heap = *store.heap;
    store.NoteUse(size_class);
    return {
        .size_class = size_class,
        .owner = heap.owner,
        .heap = &heap,
        .store = &store,
        .bin_offset = heap.is_process_heap ? BinOffset(size_class) : kNoBinOffset,
        .grow_fast = false,
        .access = heap.access,
        .fill_free = heap.check_free,
        .hardened = heap.hardened,
        .rare = heap.is_process_heap && store.IsRare(size_class),
    };
}

size_t BytesIn(SizeClass size_class, uint32_t blocks) noexcept {
    return size_t{blocks} * InfoOf(size_class).spacing;
}

// A full magazine, or one nearly so; false when the depot has no room.
bool PutInDepot(Store& store, Depot& depot, SizeClass size_class, Magazine* magazine,
                uint32_t count) noexcept STRATA_REQUIRES(depot.lock) {
    const size_t bytes = BytesIn(size_class, count);
    const size_t most = arena::g_arenas.AllowedIdle() / kDepotShare;
    const bool must = depot.magazines() == 0 && bytes <= kLeastDepotBytes;
    if (!must && store.depot_bytes.load(std::memory_order_relaxed) + bytes > most) return false;
    if (!depot.Put(magazine, count, size_class)) return false;
    store.depot_bytes.fetch_add(bytes, std::memory_order_relaxed);
    return true;
}

Magazine* TakeFromDepot(Store& store, Depot& depot, SizeClass size_class) noexcept
    STRATA_REQUIRES(depot.lock) {
    Magazine* const magazine = depot.Take();
    if (magazine != nullptr) {
        store.depot_bytes.fetch_sub(BytesIn(size_class, magazine->count),
                                    std::memory_order_relaxed);
    }
    return magazine;
}

// The magazines that were emptied, in a list.
Magazine* DrainDepot(Store& store, SizeClass size_class, bool surplus_only) noexcept {
    ClassStore& part = store.ClassAt(size_class);
    Magazine* emptied = nullptr;
    const PartGuard guard(store, part);
    uint32_t count = part.depot.magazines();
    if (surplus_only) count = part.depot.TakeSurplus();
    for (; count > 0; --count) {
        Magazine* const magazine = TakeFromDepot(store, part.depot, size_class);
        part.slabs.PutAll(magazine->blocks, magazine->count);
        magazine->next = emptied;
        emptied = magazine;
    }
    return emptied;
}

}  // namespace

uint32_t TakeBlocksLocked(Store& store, ClassStore& part, SizeClass size_class, FreeBlock* out,
                          uint32_t want) noexcept {
    return part.slabs.Take(RequestFor(store, size_class), out, want);
}

Filled TakeMagazineOrBlocks(Store& store, SizeClass size_class, FreeBlock* out,
                            uint32_t want) noexcept {
    ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    Filled filled = {TakeFromDepot(store, part.depot, size_class), 0};
    if (filled.magazine == nullptr && out != nullptr) {
        filled.taken = part.slabs.Take(RequestFor(store, size_class), out, want);
    }
    return filled;
}

bool PutMagazine(Store& store, SizeClass size_class, Magazine* magazine, uint32_t count,
                 bool worthy) noexcept {
    ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    if (worthy && PutInDepot(store, part.depot, size_class, magazine, count)) return true;
    part.slabs.PutAll(magazine->blocks, count);
    return false;
}

void DrainDepots(Store& store, bool surplus_only) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        if (!store.Uses(i)) continue;  // without slabs, no blocks
        Magazine* emptied = DrainDepot(store, static_cast<SizeClass>(i), surplus_only);
        while (Magazine* const magazine = emptied) {
            emptied = magazine->next;
            DestroyMagazine(magazine);
        }
    }
}

void PurgeSlabPages(Store& store) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        if (!store.Uses(i)) continue;
        ClassStore& part = store.classes[i];
        const PartGuard guard(store, part);
        part.slabs.PurgeSparsePages();
    }
}

}  // namespace strata::store
