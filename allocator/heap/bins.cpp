#include "heap/bins.h"

#include <cstring>
#include <utility>

#include "arena/process_arenas.h"
#include "heap/hand_in.h"
#include "heap/heap.h"
#include "heap/parts.h"
#include "heap/sampling.h"
#include "heap/tick.h"

namespace strata::heap {

using cache::Bin;
using cache::FreeBlock;
using cache::HeapSlot;
using cache::Magazine;
using cache::Spares;
using cache::ThreadCache;

namespace {

uint32_t NextCapacity(uint32_t capacity, SizeClass size_class) noexcept {
    const uint32_t most = InfoOf(size_class).magazine_max;
    const uint32_t next = capacity == 0 ? kFirstMagazineEntries : capacity * 2 + 1;
    return next < most ? next : most;
}

// A private heap's bins in this thread: earned by kPrivateHeapWarmUp operations.
Bin* PrivateBin(ThreadCache& cache, Heap& heap, SizeClass size_class) noexcept {
    const uint64_t serial = heap.serial.load(std::memory_order_relaxed);
    HeapSlot& slot = cache.SlotOf(&heap);
    if (STRATA_UNLIKELY(slot.serial != serial)) {
        if (slot.bins != nullptr) {
            const Heap* other = static_cast<const Heap*>(slot.heap);
            const bool alive = other->serial.load(std::memory_order_relaxed) == slot.serial;
            if (alive) return nullptr;  // two live heaps on one slot: the first keeps it
            HandInSlot(slot);           // its heap is gone: only drops the magazines
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
        slot.bins = cache::CreateHeapBins();
        if (slot.bins == nullptr) return nullptr;
        heap.low_fragmentation.store(true, std::memory_order_relaxed);
    }
    return &slot.bins->bins[Index(size_class)];
}

bool TakeUncached(Heap& heap, SizeClass size_class, FreeBlock& block) noexcept {
    const PartGuard guard(heap, size_class);
    return heap.classes[Index(size_class)].slabs.Take(heap.RequestFor(size_class), &block, 1) == 1;
}

void GiveUncached(Heap& heap, SizeClass size_class, FreeBlock block) noexcept {
    const PartGuard guard(heap, size_class);
    HandIn(heap, size_class, &block, 1);
    heap.classes[Index(size_class)].slabs.PutAll(&block, 1);
}

Spares& ThisThreadsSpares() noexcept { return cache::CurrentCache()->spares; }

// Blocks that a magazine gets from the slabs at once: what was never used need not lie about.
uint32_t SlabRefill(const Magazine& magazine, SizeClass size_class) noexcept {
    const uint32_t most = InfoOf(size_class).refill;
    return magazine.capacity < most ? magazine.capacity : most;
}

bool IsOfProcessHeap(const Bin& bin, const ThreadCache& cache) noexcept {
    return &bin >= cache.bins && &bin < cache.bins + kSizeClasses;
}

// Notes that a bin's magazine has room for `now` blocks where it had for `before`.
void NoteRoom(const Bin& bin, SizeClass size_class, uint32_t before, uint32_t now) noexcept {
    ThreadCache& cache = *cache::CurrentCache();
    if (!IsOfProcessHeap(bin, cache)) return;
    cache.room += (size_t{now} - before) * InfoOf(size_class).spacing;
}

// Whether a thread that has magazines may have more room in them: so many bytes of blocks may lie there unused.
bool MayGrow(const Bin& bin, SizeClass size_class, uint32_t before, uint32_t wanted) noexcept {
    const ThreadCache& cache = *cache::CurrentCache();
    const size_t spacing = InfoOf(size_class).spacing;
    if (before == 0 || wanted * spacing <= kLeastRoom || !IsOfProcessHeap(bin, cache)) return true;
    const size_t more = (wanted - before) * spacing;
    return cache.room + more <= arena::g_arenas.AllowedIdle() / kRoomShare;
}

// The capacity that a larger magazine in the place of this one, or of none, would have; its own when there is no
// larger one to be had.
uint32_t GrownCapacity(const Bin& bin, SizeClass size_class, const Magazine* magazine) noexcept {
    const uint32_t capacity = magazine == nullptr ? 0 : magazine->capacity;
    const uint32_t wanted = NextCapacity(capacity, size_class);
    return MayGrow(bin, size_class, capacity, wanted) ? wanted : capacity;
}

// The empty magazine for allocation, or a larger one in its place if there is a larger one to be had;
// nullptr when there is none and memory is short.
Magazine* GrowAllocMagazine(Bin& bin, SizeClass size_class) noexcept {
    Magazine* const old = bin.alloc_magazine();
    const uint32_t capacity = old == nullptr ? 0 : old->capacity;
    const uint32_t wanted = GrownCapacity(bin, size_class, old);
    if (wanted == capacity) return old;
    Spares& spares = ThisThreadsSpares();
    Magazine* const magazine = spares.Create(wanted);
    if (magazine == nullptr) return old;
    bin.SetAlloc(magazine, 0);
    if (old != nullptr) spares.Destroy(old);
    NoteRoom(bin, size_class, capacity, wanted);
    return magazine;
}

// Replaces the full magazine for freed blocks by a larger one with the same blocks. False when it is as
// large as it gets, or memory is short.
bool GrowFreeMagazine(Bin& bin, SizeClass size_class) noexcept {
    Magazine* const old = bin.free_magazine();
    const uint32_t capacity = old == nullptr ? 0 : old->capacity;
    const uint32_t wanted = GrownCapacity(bin, size_class, old);
    if (wanted == capacity) return false;
    Spares& spares = ThisThreadsSpares();
    Magazine* const magazine = spares.Create(wanted);
    if (magazine == nullptr) return false;
    if (old != nullptr) {
        std::memcpy(magazine->blocks, old->blocks, capacity * sizeof(FreeBlock));
        spares.Destroy(old);
    }
    bin.SetFree(magazine, capacity);
    NoteRoom(bin, size_class, capacity, wanted);
    return true;
}

// The other magazine came back full: this class is busy enough for larger ones, and for more blocks in
// them. Without more blocks, pairs of malloc and free would come here every third time for ever. With
// many, they would go round through more blocks than the processor's caches hold.
void SwapAndGrow(Heap& heap, Bin& bin, SizeClass size_class) noexcept {
    const uint32_t count = bin.free_count();
    if (count >= InfoOf(size_class).swap_max) return bin.Swap();
    Magazine* const larger = GrowAllocMagazine(bin, size_class);
    if (larger == nullptr || larger->capacity <= count) return bin.Swap();
    uint32_t wanted = larger->capacity - count;
    if (wanted > InfoOf(size_class).refill) wanted = InfoOf(size_class).refill;
    uint32_t taken = 0;
    {
        const PartGuard guard(heap, size_class);
        taken = heap.classes[Index(size_class)].slabs.Take(heap.RequestFor(size_class),
                                                           larger->blocks + count, wanted);
    }
    std::memcpy(larger->blocks, bin.free_base, count * sizeof(FreeBlock));
    bin.SetAlloc(larger, count + taken);
    bin.SetFree(bin.free_magazine(), 0);
}

// A thread whose frees feed its allocations comes to no slower path than this one. Now and then it is to
// look at the clock all the same.
void TickSwap(Heap& heap, const Bin& bin) noexcept {
    if (!heap.is_process_heap) return;
    ThreadCache& cache = *cache::CurrentCache();
    if (cache.swaps_left >= bin.free_count()) {
        cache.swaps_left -= bin.free_count();
        return;
    }
    RenewSwaps(cache);
    PurgeTick(heap);
}

// A full magazine, or one nearly so, into the depot; false when that has no room. REQUIRES: the class's lock.
bool PutInDepot(Heap& heap, SizeClass size_class, Magazine* magazine, uint32_t count) noexcept {
    cache::Depot& depot = heap.classes[Index(size_class)].depot;
    const size_t bytes = size_t{count} * InfoOf(size_class).spacing;
    const size_t most = arena::g_arenas.AllowedIdle() / kDepotShare;
    const bool must = depot.magazines() == 0 && bytes <= kLeastDepotBytes;
    if (!must && heap.depot_bytes.load(std::memory_order_relaxed) + bytes > most) return false;
    if (!depot.Put(magazine, count, size_class)) return false;
    heap.depot_bytes.fetch_add(bytes, std::memory_order_relaxed);
    return true;
}

// REQUIRES: the class's lock.
Magazine* TakeFromDepot(Heap& heap, SizeClass size_class) noexcept {
    Magazine* const magazine = heap.classes[Index(size_class)].depot.Take();
    if (magazine != nullptr) {
        heap.depot_bytes.fetch_sub(size_t{magazine->count} * InfoOf(size_class).spacing,
                                   std::memory_order_relaxed);
    }
    return magazine;
}

// Fills the empty bin: from its other magazine, the depot, or the slabs.
bool Refill(Heap& heap, Bin& bin, SizeClass size_class) noexcept {
    if (bin.free_count() != 0) {
        TickSwap(heap, bin);
        if (bin.free_top == bin.free_end) {
            SwapAndGrow(heap, bin, size_class);
        } else {
            bin.Swap();
        }
        return true;
    }
    PurgeTick(heap);
    ClassState& state = heap.classes[Index(size_class)];
    const slab::SlabRequest request = heap.RequestFor(size_class);
    Magazine* const empty = bin.alloc_magazine();
    const bool grows = empty == nullptr || GrownCapacity(bin, size_class, empty) != empty->capacity;
    Magazine* filled = nullptr;
    uint32_t taken = 0;
    {
        const PartGuard guard(heap, size_class);
        filled = TakeFromDepot(heap, size_class);
        if (filled == nullptr && !grows) {
            taken = state.slabs.Take(request, empty->blocks, SlabRefill(*empty, size_class));
        }
    }
    if (filled != nullptr) {
        NoteRoom(bin, size_class, empty == nullptr ? 0 : empty->capacity, filled->capacity);
        bin.SetAlloc(filled, filled->count);
        if (empty != nullptr) ThisThreadsSpares().Destroy(empty);
        return true;
    }
    Magazine* magazine = empty;
    if (grows) {
        magazine = GrowAllocMagazine(bin, size_class);
        if (magazine == nullptr) return false;
        const PartGuard guard(heap, size_class);
        taken = state.slabs.Take(request, magazine->blocks, SlabRefill(*magazine, size_class));
    }
    bin.SetAlloc(magazine, taken);
    return taken != 0;
}

// Makes room in the full free magazine: by the other magazine, growth, the depot, or the slabs.
// False when there is no magazine, and memory for one is short.
bool MakeRoom(Heap& heap, Bin& bin, SizeClass size_class) noexcept {
    Magazine* const full = bin.free_magazine();
    if (full != nullptr && bin.IsAllocEmpty() && bin.alloc_magazine() != nullptr) {
        bin.Swap();
        return true;
    }
    if (GrowFreeMagazine(bin, size_class)) return true;
    if (full == nullptr) return false;
    Spares& spares = ThisThreadsSpares();
    Magazine* const fresh = spares.Create(full->capacity);
    HandIn(heap, size_class, full->blocks, full->capacity);
    ClassState& state = heap.classes[Index(size_class)];
    bool kept = false;
    {
        const PartGuard guard(heap, size_class);
        kept = fresh != nullptr && PutInDepot(heap, size_class, full, full->capacity);
        if (!kept) state.slabs.PutAll(full->blocks, full->capacity);
    }
    bin.SetFree(kept ? fresh : full, 0);
    if (kept) return true;
    if (fresh != nullptr) spares.Destroy(fresh);
    PurgeTick(heap);
    return true;
}

// REQUIRES: its blocks are handed in.
void GiveMagazine(Heap& heap, SizeClass size_class, Magazine* magazine, uint32_t count) noexcept {
    if (magazine == nullptr) return;
    ClassState& state = heap.classes[Index(size_class)];
    bool kept = false;
    if (count != 0) {
        const PartGuard guard(heap, size_class);
        // Nearly empty ones are not worth a place in the depot.
        kept = count * 2 >= magazine->capacity && PutInDepot(heap, size_class, magazine, count);
        if (!kept) state.slabs.PutAll(magazine->blocks, count);
    }
    if (!kept) cache::DestroyMagazine(magazine);
}

// What an empty bin is about to get: what was freed into it, or about what the slabs give at once.
STRATA_COLD void CountRefill(const Bin& bin, SizeClass size_class) noexcept {
    const uint32_t freed = bin.free_count();
    CountForSample(*cache::CurrentCache(), freed != 0 ? freed : InfoOf(size_class).refill);
}

}  // namespace

Bin* BinFor(Heap& heap, SizeClass size_class) noexcept {
    if (STRATA_UNLIKELY(!heap.is_plain)) return nullptr;  // its blocks are looked at one by one
    ThreadCache* cache = cache::CurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) {
        cache = cache::CreateThreadCache();
        if (cache == nullptr) return nullptr;
    }
    if (STRATA_UNLIKELY(cache == &cache::g_detached_cache)) return nullptr;
    if (heap.is_process_heap) return &cache->bins[Index(size_class)];
    return PrivateBin(*cache, heap, size_class);
}

bool TakeBlock(Heap& heap, Bin* bin, SizeClass size_class, FreeBlock& block) noexcept {
    if (bin != nullptr) {
        const BinInHand in_hand(heap, size_class, cache::Sides::kAlloc);
        if (bin->Pop(block)) return true;
        if (IsSampling()) CountRefill(*bin, size_class);
        if (Refill(heap, *bin, size_class)) return bin->Pop(block);
    }
    return TakeUncached(heap, size_class, block);
}

void GiveBlock(Heap& heap, Bin* bin, SizeClass size_class, FreeBlock block) noexcept {
    if (bin != nullptr) {
        const BinInHand in_hand(heap, size_class, cache::Sides::kFree);
        if (bin->Push(block.block, block.state)) return;
        if (MakeRoom(heap, *bin, size_class) && bin->Push(block.block, block.state)) return;
    }
    GiveUncached(heap, size_class, block);
}

void ReturnToSlabs(Heap& heap, SizeClass size_class, const FreeBlock* blocks,
                   uint32_t count) noexcept {
    const PartGuard guard(heap, size_class);
    heap.classes[Index(size_class)].slabs.PutAll(blocks, count);
}

void EmptyBin(Heap& heap, Bin& bin, SizeClass size_class) noexcept {
    HandInUnused(heap, size_class, bin.alloc_top - bin.alloc_count(), bin.alloc_count());
    HandIn(heap, size_class, bin.free_base, bin.free_count());
    for (const auto& [magazine, count] : {std::pair{bin.alloc_magazine(), bin.alloc_count()},
                                          std::pair{bin.free_magazine(), bin.free_count()}}) {
        if (magazine == nullptr) continue;
        NoteRoom(bin, size_class, magazine->capacity, 0);
        if (count != 0) ReturnToSlabs(heap, size_class, magazine->blocks, count);
        cache::DestroyMagazine(magazine);
    }
    bin = Bin{};
}

void HandInBins(Heap& heap, Bin* bins) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        Bin& bin = bins[i];
        if (!bin.HasMagazine()) continue;  // most are, in most threads
        const auto size_class = static_cast<SizeClass>(i);
        HandInUnused(heap, size_class, bin.alloc_top - bin.alloc_count(), bin.alloc_count());
        HandIn(heap, size_class, bin.free_base, bin.free_count());
        GiveMagazine(heap, size_class, bin.alloc_magazine(), bin.alloc_count());
        GiveMagazine(heap, size_class, bin.free_magazine(), bin.free_count());
        bin = Bin{};
    }
}

void HandInSlot(HeapSlot& slot) noexcept {
    if (slot.bins != nullptr) {
        Heap* heap = static_cast<Heap*>(slot.heap);
        if (heap->serial.load(std::memory_order_relaxed) == slot.serial) {
            HandInBins(*heap, slot.bins->bins);
        } else {
            for (Bin& bin : slot.bins->bins) {
                if (Magazine* m = bin.alloc_magazine()) cache::DestroyMagazine(m);
                if (Magazine* m = bin.free_magazine()) cache::DestroyMagazine(m);
            }
        }
        cache::DestroyHeapBins(slot.bins);
    }
    slot = HeapSlot{};
}

void DrainDepots(Heap& heap, bool surplus_only) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        ClassState& state = heap.classes[i];
        Magazine* emptied = nullptr;
        {
            const PartGuard guard(heap, static_cast<SizeClass>(i));
            uint32_t count = state.depot.magazines();
            if (surplus_only) count = state.depot.TakeSurplus();
            for (; count > 0; --count) {
                Magazine* const magazine = TakeFromDepot(heap, static_cast<SizeClass>(i));
                state.slabs.PutAll(magazine->blocks, magazine->count);
                magazine->next = emptied;
                emptied = magazine;
            }
        }
        while (Magazine* magazine = emptied) {
            emptied = magazine->next;
            cache::DestroyMagazine(magazine);
        }
    }
}

}  // namespace strata::heap
