#include "heap/walk.h"

#include "heap/heap_record.h"

namespace strata::heap {

namespace {

using arena::SliceEntry;
using arena::SliceKind;
using slab::LargeRun;
using slab::Slab;
using Kind = WalkEntry::Kind;

constexpr auto kRelaxed = std::memory_order_relaxed;

bool SetRegion(WalkEntry& entry, char* base, size_t committed, size_t reserved,
               size_t block_bytes) noexcept {
    entry = WalkEntry{};
    entry.kind = Kind::kRegion;
    entry.address = base;
    entry.bytes = reserved;
    entry.committed_bytes = committed;
    entry.uncommitted_bytes = reserved - committed;
    entry.first_block = base;
    entry.last_block = base + block_bytes;
    return true;
}

bool SetBlock(WalkEntry& entry, Kind kind, char* address, size_t bytes) noexcept {
    entry = WalkEntry{};
    entry.kind = kind;
    entry.address = address;
    entry.bytes = bytes;
    return true;
}

// The block `index` of the slab, or what has no memory, or false behind that.
bool SetSlabBlock(WalkEntry& entry, const Slab& slab, uint32_t index) noexcept {
    if (index >= slab.blocks) return false;
    char* const block = slab.BlockAt(index);
    if (index >= slab.limit) {
        if (index > slab.limit) return false;
        return SetBlock(entry, Kind::kUncommitted, block,
                        static_cast<size_t>(slab.base + slab.size() - block));
    }
    const size_t usable = slab.usable();
    uint32_t slack;
    if (!ReadSlack(slab.states + index, block + usable, slack)) {
        return SetBlock(entry, Kind::kFree, block, usable);
    }
    return SetBlock(entry, Kind::kBusy, block, slack <= usable ? usable - slack : 0);
}

bool NextRegion(Heap& heap, WalkEntry& entry, uintptr_t from) noexcept {
    char* base = arena::g_arenas.NextOwned(from, heap.serial.load(kRelaxed));
    if (base == nullptr) return false;
    const SliceEntry& slice = *arena::g_slice_map.Find(AddressOf(base));
    if (slice.kind.load(kRelaxed) == SliceKind::kSlab) {
        const Slab& slab = *static_cast<const Slab*>(slice.record.load(kRelaxed));
        const size_t committed = size_t{slab.limit} * slab.spacing();
        return SetRegion(entry, slab.base, committed, slab.size(),
                         size_t{slab.blocks} * slab.spacing());
    }
    const LargeRun& run = *static_cast<const LargeRun*>(slice.record.load(kRelaxed));
    return SetRegion(entry, run.base, run.committed, run.capacity(), run.usable());
}

// REQUIRES: the heap is locked.
bool Step(Heap& heap, WalkEntry& entry) noexcept {
    if (entry.address == nullptr) return NextRegion(heap, entry, 0);
    const uintptr_t address = AddressOf(entry.address);
    const SliceEntry* slice = arena::g_slice_map.Find(address);
    const uintptr_t next_slice = RoundDown(address, kSliceSize) + kSliceSize;
    if (slice == nullptr) return NextRegion(heap, entry, next_slice);
    const SliceKind kind = slice->kind.load(kRelaxed);
    // In this order: behind the first slice of a direct block there is no owner to ask for.
    if (kind == SliceKind::kNone || kind == SliceKind::kRunInterior ||
        arena::g_arenas.OwnerOf(address) != heap.serial.load(kRelaxed)) {
        return NextRegion(heap, entry, next_slice);  // it went away since the last step
    }
    if (kind == SliceKind::kSlab) {
        const Slab& slab = *static_cast<const Slab*>(slice->record.load(kRelaxed));
        const bool region = entry.kind == Kind::kRegion;
        const uint32_t index = region ? 0 : slab.IndexOf(entry.address) + 1;
        if (entry.kind != Kind::kUncommitted && SetSlabBlock(entry, slab, index)) return true;
        return NextRegion(heap, entry, AddressOf(slab.base) + slab.size());
    }
    const LargeRun& run = *static_cast<const LargeRun*>(slice->record.load(kRelaxed));
    if (entry.kind == Kind::kRegion) {
        return SetBlock(entry, Kind::kBusy, run.base, run.requested.load(kRelaxed));
    }
    return NextRegion(heap, entry, AddressOf(run.base) + run.capacity());
}

}  // namespace

bool WalkStep(Heap& heap, WalkEntry& entry) noexcept {
    LockHeap(heap);
    const bool more = Step(heap, entry);
    UnlockHeap(heap);
    return more;
}

}  // namespace strata::heap
