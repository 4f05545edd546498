#include "cache/refill.h"

#include <cstring>

#include "arena/process_arenas.h"
#include "cache/flush.h"
#include "cache/returned_blocks.h"
#include "cache/sampling.h"
#include "store/exchange.h"

namespace strata::cache {

using store::PartGuard;

namespace {

uint32_t NextCapacity(uint32_t capacity, SizeClass size_class) noexcept {
    const uint32_t most = InfoOf(size_class).magazine_max;
    const uint32_t next = capacity == 0 ? kFirstMagazineEntries : capacity * 2 + 1;
    return next < most ? next : most;
}

void PutUncached(Heap& heap, SizeClass size_class, FreeBlock block) noexcept {
    store::Store& store = heap.home();
    store::ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    MarkReturned(heap, size_class, &block, 1);
    part.slabs.PutAll(&block, 1);
}

// Blocks that a magazine gets from the slabs at once: what was never used need not lie about.
uint32_t SlabRefill(const Magazine& magazine, SizeClass size_class) noexcept {
    const uint32_t most = InfoOf(size_class).refill;
    return magazine.capacity < most ? magazine.capacity : most;
}

// Whether a thread that has magazines may have more room in them: so many bytes of blocks may lie
// there unused.
bool MayGrow(const ThreadCache& cache, const Bin& bin, SizeClass size_class, uint32_t before,
             uint32_t wanted) noexcept {
    const size_t spacing = InfoOf(size_class).spacing;
    if (before == 0 || wanted * spacing <= kLeastRoom || !cache.IsOfProcessHeap(bin)) return true;
    const size_t more = (wanted - before) * spacing;
    return cache.room + more <= arena::g_arenas.AllowedIdle() / kRoomShare;
}

// The capacity that a larger magazine in the place of this one, or of none, would have; its own
// when there is no larger one to be had.
uint32_t GrownCapacity(const ThreadCache& cache, const Bin& bin, SizeClass size_class,
                       const Magazine* magazine) noexcept {
    const uint32_t capacity = magazine == nullptr ? 0 : magazine->capacity;
    const uint32_t wanted = NextCapacity(capacity, size_class);
    return MayGrow(cache, bin, size_class, capacity, wanted) ? wanted : capacity;
}

// The empty magazine for allocation, or a larger one in its place if there is a larger one to be
// had; nullptr when there is none and memory is short.
Magazine* GrowAllocMagazine(ThreadCache& cache, Bin& bin, SizeClass size_class) noexcept {
    Magazine* const old = bin.alloc_magazine();
    const uint32_t capacity = old == nullptr ? 0 : old->capacity;
    const uint32_t wanted = GrownCapacity(cache, bin, size_class, old);
    if (wanted == capacity) return old;
    Spares& spares = cache.spares;
    Magazine* const magazine = spares.Create(wanted);
    if (magazine == nullptr) return old;
    bin.SetAlloc(magazine, 0);
    if (old != nullptr) spares.Destroy(old);
    cache.NoteRoom(bin, size_class, capacity, wanted);
    return magazine;
}

// Replaces the full magazine for freed blocks by a larger one with the same blocks. False when it
// is as large as it gets, or memory is short.
bool GrowFreeMagazine(ThreadCache& cache, Bin& bin, SizeClass size_class) noexcept {
    Magazine* const old = bin.free_magazine();
    const uint32_t capacity = old == nullptr ? 0 : old->capacity;
    const uint32_t wanted = GrownCapacity(cache, bin, size_class, old);
    if (wanted == capacity) return false;
    Spares& spares = cache.spares;
    Magazine* const magazine = spares.Create(wanted);
    if (magazine == nullptr) return false;
    if (old != nullptr) {
        std::memcpy(magazine->blocks, old->blocks, capacity * sizeof(FreeBlock));
        spares.Destroy(old);
    }
    bin.SetFree(magazine, capacity);
    cache.NoteRoom(bin, size_class, capacity, wanted);
    return true;
}

// The other magazine came back full: this class is busy enough for larger ones, and for more blocks
// in them. Without more blocks, pairs of malloc and free would come here every third time for ever.
// With many, they would go round through more blocks than the processor's caches hold.
void SwapAndGrow(Heap& heap, ThreadCache& cache, Bin& bin, SizeClass size_class) noexcept {
    const uint32_t count = bin.free_count();
    if (count >= InfoOf(size_class).swap_max) return bin.Swap();
    Magazine* const larger = GrowAllocMagazine(cache, bin, size_class);
    if (larger == nullptr || larger->capacity <= count) return bin.Swap();
    uint32_t wanted = larger->capacity - count;
    if (wanted > InfoOf(size_class).refill) wanted = InfoOf(size_class).refill;
    const uint32_t taken =
        store::TakeBlocks(heap.home(), size_class, larger->blocks + count, wanted);
    std::memcpy(larger->blocks, bin.free_base, count * sizeof(FreeBlock));
    bin.SetAlloc(larger, count + taken);
    bin.SetFree(bin.free_magazine(), 0);
}

// A thread whose frees feed its allocations comes to no slower path than this one, and has a budget
// of blocks until it looks at the clock all the same (IsTickDue).
void SpendSwaps(const Heap& heap, ThreadCache& cache, const Bin& bin) noexcept {
    if (!heap.is_process_heap) return;
    if (cache.budgets.swaps_left >= bin.free_count()) {
        cache.budgets.swaps_left -= bin.free_count();
    } else {
        RenewSwaps(cache);
    }
}

void RefillFromFreed(Heap& heap, ThreadCache& cache, Bin& bin, SizeClass size_class) noexcept {
    SpendSwaps(heap, cache, bin);
    if (bin.free_top == bin.free_end) {
        SwapAndGrow(heap, cache, bin, size_class);
    } else {
        bin.Swap();
    }
}

// A full magazine from the depot takes the place of the empty one, if there is any.
void SetFilled(ThreadCache& cache, Bin& bin, SizeClass size_class, Magazine* empty,
               Magazine* filled) noexcept {
    const uint32_t before = empty == nullptr ? 0 : empty->capacity;
    cache.NoteRoom(bin, size_class, before, filled->capacity);
    bin.SetAlloc(filled, filled->count);
    if (empty != nullptr) cache.spares.Destroy(empty);
}

bool RefillFromStore(store::Store& store, ThreadCache& cache, Bin& bin,
                     SizeClass size_class) noexcept {
    Magazine* const empty = bin.alloc_magazine();
    const bool grows =
        empty == nullptr || GrownCapacity(cache, bin, size_class, empty) != empty->capacity;
    const store::Filled filled = grows
                                     ? store::TakeMagazineOrBlocks(store, size_class, nullptr, 0)
                                     : store::TakeMagazineOrBlocks(store, size_class, empty->blocks,
                                                                   SlabRefill(*empty, size_class));
    if (filled.magazine != nullptr) {
        SetFilled(cache, bin, size_class, empty, filled.magazine);
        return true;
    }
    Magazine* magazine = empty;
    uint32_t taken = filled.taken;
    if (grows) {
        magazine = GrowAllocMagazine(cache, bin, size_class);
        if (magazine == nullptr) return false;
        taken = store::TakeBlocks(store, size_class, magazine->blocks,
                                  SlabRefill(*magazine, size_class));
    }
    bin.SetAlloc(magazine, taken);
    return taken != 0;
}

// Fills the empty bin: from its other magazine, the depot, or the slabs.
bool Refill(Heap& heap, ThreadCache& cache, Bin& bin, SizeClass size_class) noexcept {
    if (bin.free_count() == 0) return RefillFromStore(heap.home(), cache, bin, size_class);
    RefillFromFreed(heap, cache, bin, size_class);
    return true;
}

enum class Room : uint8_t { kNone, kMade, kMadeByDraining };

// Makes room in the full free magazine: by the other magazine, growth, the depot, or the slabs.
// kNone when there is no magazine, and memory for one is short.
Room MakeRoom(Heap& heap, ThreadCache& cache, Bin& bin, SizeClass size_class) noexcept {
    Magazine* const full = bin.free_magazine();
    if (full != nullptr && bin.IsAllocEmpty() && bin.alloc_magazine() != nullptr) {
        bin.SwapEmpty();
        return Room::kMade;
    }
    if (GrowFreeMagazine(cache, bin, size_class)) return Room::kMade;
    if (full == nullptr) return Room::kNone;
    Spares& spares = cache.spares;
    Magazine* const fresh = spares.Create(full->capacity);
    MarkReturned(heap, size_class, full->blocks, full->capacity);
    const bool kept =
        store::PutMagazine(heap.home(), size_class, full, full->capacity, fresh != nullptr);
    bin.SetFree(kept ? fresh : full, 0);
    if (kept) return Room::kMade;
    if (fresh != nullptr) spares.Destroy(fresh);
    return Room::kMadeByDraining;
}

// What an empty bin is about to get: what was freed into it, or about what the slabs give at once.
STRATA_COLD void CountRefill(ThreadCache& cache, const Bin& bin, SizeClass size_class) noexcept {
    const uint32_t freed = bin.free_count();
    CountForSample(cache, freed != 0 ? freed : InfoOf(size_class).refill);
}

}  // namespace

Bin* PrivateBin(ThreadCache& cache, Heap& heap, SizeClass size_class) noexcept {
    const uint64_t serial = heap.serial.load(std::memory_order_relaxed);
    HeapSlot& slot = cache.SlotOf(&heap);
    if (STRATA_UNLIKELY(slot.serial != serial)) {
        if (slot.bins != nullptr) {
            const bool alive = slot.heap->serial.load(std::memory_order_relaxed) == slot.serial;
            if (alive) return nullptr;  // two live heaps on one slot: the first keeps it
            FlushSlot(slot);            // its heap is gone: only drops the magazines
        }
        slot = {&heap, serial, nullptr};
        cache.slot_uses[ThreadCache::SlotIndexOf(&heap)] = 0;
    }
    if (STRATA_UNLIKELY(slot.bins == nullptr)) {
        static_assert(kPrivateHeapWarmUp <= UINT8_MAX);
        uint8_t& uses = cache.slot_uses[ThreadCache::SlotIndexOf(&heap)];
        if (uses + 1u < kPrivateHeapWarmUp) {
            ++uses;
            return nullptr;
        }
        slot.bins = CreateHeapBins();
        if (slot.bins == nullptr) return nullptr;
        heap.low_fragmentation.store(true, std::memory_order_relaxed);
    }
    return &slot.bins->bins[Index(size_class)];
}

bool TakeBlock(Heap& heap, OwnBin own, SizeClass size_class, FreeBlock& block,
               bool passed) noexcept {
    if (own.bin != nullptr) {
        ThreadCache& cache = *own.cache;
        const OpenBin open(cache, heap.is_process_heap, size_class, Sides::kAlloc, passed);
        if (open.was_closed() && own.bin->Pop(block)) return true;
        if (IsSampling()) CountRefill(cache, *own.bin, size_class);
        if (Refill(heap, cache, *own.bin, size_class)) return own.bin->Pop(block);
    }
    return store::TakeBlocks(heap.home(), size_class, &block, 1) == 1;
}

bool PutBlock(Heap& heap, OwnBin own, SizeClass size_class, FreeBlock block, bool passed) noexcept {
    if (own.bin != nullptr) {
        ThreadCache& cache = *own.cache;
        const OpenBin open(cache, heap.is_process_heap, size_class, Sides::kFree, passed);
        if (open.was_closed() && own.bin->Push(block.block, block.state)) return false;
        const Room room = MakeRoom(heap, cache, *own.bin, size_class);
        if (room != Room::kNone && own.bin->Push(block.block, block.state)) {
            return room == Room::kMadeByDraining;
        }
    }
    PutUncached(heap, size_class, block);
    return false;
}

}  // namespace strata::cache
