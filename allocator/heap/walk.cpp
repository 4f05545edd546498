#include "heap/walk.h"

#include "heap/heap_record.h"

namespace strata::heap {

namespace {

using arena::SliceEntry;
using arena::SliceKind;
using slab::LargeRun;
using slab::Region;
using slab::RegionBlock;
using slab::Slab;
using Kind = WalkEntry::Kind;

constexpr auto kRelaxed = std::memory_order_relaxed;

struct RegionExtent {
    char* base;
    size_t committed;
    size_t reserved;
    char* first_block;
    char* last_block;
};

// Neighbouring regions have different indices; there are more regions than indices.
uint8_t IndexOfRegion(const void* base) noexcept {
    return static_cast<uint8_t>(AddressOf(base) / kSliceSize % kLargeBlockIndex);
}

bool SetRegion(WalkEntry& entry, const RegionExtent& extent) noexcept {
    entry = WalkEntry{};
    entry.kind = Kind::kRegion;
    entry.address = extent.base;
    entry.bytes = extent.reserved;
    entry.committed_bytes = extent.committed;
    entry.uncommitted_bytes = extent.reserved - extent.committed;
    entry.first_block = extent.first_block;
    entry.last_block = extent.last_block;
    entry.region_index = IndexOfRegion(extent.base);
    return true;
}

bool SetBlock(WalkEntry& entry, Kind kind, void* address, size_t bytes, size_t overhead,
              uint8_t region_index) noexcept {
    entry = WalkEntry{};
    entry.kind = kind;
    entry.address = address;
    entry.bytes = bytes;
    entry.overhead = static_cast<uint8_t>(overhead < UINT8_MAX ? overhead : UINT8_MAX);
    entry.region_index = region_index;
    return true;
}

STRATA_READS_RACILY void SetUser(WalkEntry& entry, const UserRecord* record) noexcept {
    entry.has_user = true;
    entry.user_value = record->value;
    entry.user_flags = record->flags;
}

// The block `index` of the slab, or what has no memory, or false behind that.
bool SetSlabBlock(WalkEntry& entry, const Slab& slab, uint32_t index) noexcept {
    if (index >= slab.blocks) return false;
    char* const block = slab.BlockAt(index);
    const uint8_t region = IndexOfRegion(slab.base);
    if (index >= slab.limit) {
        const size_t committed = arena::g_arenas.CommittedPrefix(slab.base, slab.slices);
        if (index > slab.limit || committed == slab.size()) return false;
        return SetBlock(entry, Kind::kUncommitted, slab.base + committed, slab.size() - committed,
                        0, region);
    }
    const size_t usable = slab.usable();
    uint32_t slack;
    if (!ReadSlack(slab.states + index, block + usable, slack)) {
        return SetBlock(entry, Kind::kFree, block, usable, 0, region);
    }
    if (slack > usable) slack = static_cast<uint32_t>(usable);
    SetBlock(entry, Kind::kBusy, block, usable - slack, slack, region);
    if (HasUserRecord(LoadState(slab.states + index))) {
        SetUser(entry, reinterpret_cast<const UserRecord*>(block + usable) - 1);
    }
    return true;
}

bool SetRun(WalkEntry& entry, const LargeRun& run) noexcept {
    SetBlock(entry, Kind::kBusy, run.base, run.requested.load(kRelaxed), 0, kLargeBlockIndex);
    if (run.has_user.load(kRelaxed)) SetUser(entry, &run.user);
    return true;
}

bool SetGuarded(WalkEntry& entry, const slab::GuardedBlock& guarded) noexcept {
    SetBlock(entry, Kind::kBusy, guarded.block, guarded.requested.load(kRelaxed), 0,
             kLargeBlockIndex);
    if (guarded.has_user.load(kRelaxed)) SetUser(entry, &guarded.user);
    return true;
}

// The slab, as a region, or the live run that comes next.
bool NextOwned(Heap& heap, WalkEntry& entry, uintptr_t from) noexcept {
    char* base = arena::g_arenas.NextOwned(from, heap.serial.load(kRelaxed));
    if (base == nullptr) return false;
    const SliceEntry& slice = *arena::g_slice_map.Find(AddressOf(base));
    if (slice.kind.load(kRelaxed) == SliceKind::kGuarded) {
        return SetGuarded(entry, *static_cast<slab::GuardedBlock*>(slice.record.load(kRelaxed)));
    }
    if (slice.kind.load(kRelaxed) != SliceKind::kSlab) {
        const LargeRun& run = *static_cast<const LargeRun*>(slice.record.load(kRelaxed));
        if (run.IsLive()) return SetRun(entry, run);
        return NextOwned(heap, entry, AddressOf(run.base) + run.capacity());  // parked
    }
    const Slab& slab = *static_cast<const Slab*>(slice.record.load(kRelaxed));
    return SetRegion(entry, {slab.base, arena::g_arenas.CommittedPrefix(slab.base, slab.slices),
                             slab.size(), slab.base, slab.BlockAt(slab.blocks)});
}

// REQUIRES: the heap is locked.
bool StepInArenas(Heap& heap, WalkEntry& entry) noexcept {
    if (entry.address == nullptr) return NextOwned(heap, entry, 0);
    const uintptr_t address = AddressOf(entry.address);
    const SliceEntry* slice = arena::g_slice_map.Find(address);
    const uintptr_t next_slice = RoundDown(address, kSliceSize) + kSliceSize;
    if (slice == nullptr) return NextOwned(heap, entry, next_slice);
    const SliceKind kind = slice->kind.load(kRelaxed);
    // In this order: behind the first slice of a direct block there is no owner to ask for.
    if ((kind != SliceKind::kSlab && kind != SliceKind::kRun && kind != SliceKind::kGuarded) ||
        arena::g_arenas.OwnerOf(address) != heap.serial.load(kRelaxed)) {
        return NextOwned(heap, entry, next_slice);  // it went away since the last step
    }
    if (kind == SliceKind::kSlab) {
        const Slab& slab = *static_cast<const Slab*>(slice->record.load(kRelaxed));
        const bool region = entry.kind == Kind::kRegion;
        const uint32_t index = region ? 0 : slab.IndexOf(entry.address) + 1;
        if (entry.kind != Kind::kUncommitted && SetSlabBlock(entry, slab, index)) return true;
        return NextOwned(heap, entry, AddressOf(slab.base) + slab.size());
    }
    if (kind == SliceKind::kGuarded) {
        const auto& guarded = *static_cast<slab::GuardedBlock*>(slice->record.load(kRelaxed));
        return NextOwned(heap, entry, AddressOf(guarded.base) + guarded.size());
    }
    const LargeRun& run = *static_cast<const LargeRun*>(slice->record.load(kRelaxed));
    return NextOwned(heap, entry, AddressOf(run.base) + run.capacity());
}

// The one region of a heap that cannot grow. REQUIRES: the heap is locked.
bool StepInRegion(Heap& heap, WalkEntry& entry) noexcept {
    const Region& region = *heap.region;
    if (entry.address == nullptr) {
        return SetRegion(entry, {region.base, region.committed, region.bytes, region.first,
                                 slab::EndOfRegion(region)});
    }
    if (entry.kind == Kind::kUncommitted) return false;
    const uint8_t index = IndexOfRegion(region.base);
    const void* const after = entry.kind == Kind::kRegion ? nullptr : entry.address;
    RegionBlock block;
    if (slab::NextInRegion(region, after, heap.TailOf(), block)) {
        if (block.status != RegionBlock::Status::kLive) {
            return SetBlock(entry, Kind::kFree, block.block, block.usable, 0, index);
        }
        SetBlock(entry, Kind::kBusy, block.block, block.requested, block.usable - block.requested,
                 index);
        if (block.user != nullptr) SetUser(entry, block.user);
        return true;
    }
    if (region.committed >= region.bytes) return false;
    return SetBlock(entry, Kind::kUncommitted, region.base + region.committed,
                    region.bytes - region.committed, 0, index);
}

}  // namespace

bool WalkStep(Heap& heap, WalkEntry& entry) noexcept {
    LockHeap(heap);
    const bool more =
        heap.region != nullptr ? StepInRegion(heap, entry) : StepInArenas(heap, entry);
    UnlockHeap(heap);
    return more;
}

}  // namespace strata::heap
