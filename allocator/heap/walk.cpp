#include "heap/walk.h"

#include "slab/slice_records.h"
#include "store/heap_lock.h"

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

// ---- entries ------------------------------------------------------------------------------------

struct RegionExtent {
    char* base;
    size_t committed;
    size_t reserved;
    char* first_block;
    char* last_block;
};

bool SetRegion(WalkEntry& entry, const RegionExtent& extent, uint8_t index) noexcept {
    entry = WalkEntry{};
    entry.kind = Kind::kRegion;
    entry.address = extent.base;
    entry.bytes = extent.reserved;
    entry.committed_bytes = extent.committed;
    entry.uncommitted_bytes = extent.reserved - extent.committed;
    entry.first_block = extent.first_block;
    entry.last_block = extent.last_block;
    entry.region_index = index;
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

bool SetRun(WalkEntry& entry, const LargeRun& run, uint8_t index) noexcept {
    SetBlock(entry, Kind::kBusy, run.base, run.requested.load(kRelaxed), 0, index);
    if (run.has_user.load(kRelaxed)) SetUser(entry, &run.user);
    return true;
}

bool SetGuarded(WalkEntry& entry, const slab::GuardedBlock& guarded) noexcept {
    SetBlock(entry, Kind::kBusy, guarded.block, guarded.requested.load(kRelaxed), 0,
             kLargeBlockIndex);
    if (guarded.has_user.load(kRelaxed)) SetUser(entry, &guarded.user);
    return true;
}

// ---- what a slab holds --------------------------------------------------------------------------

bool IsFreeBlock(const Slab& slab, uint32_t index) noexcept {
    return !IsLive(LoadState(slab.states + index));
}

// One past the free blocks with memory that lie side by side from `index` on.
uint32_t EndOfFree(const Slab& slab, uint32_t index) noexcept {
    while (index < slab.limit && IsFreeBlock(slab, index) && !slab::HasHole(slab, index)) ++index;
    return index;
}

// One past the decommitted pages that lie side by side from `page` on.
size_t EndOfHole(const Slab& slab, size_t page) noexcept {
    while (slab::IsHole(slab, page)) ++page;
    return page;
}

// The block with which a walk goes on behind this entry.
uint32_t IndexBehind(const Slab& slab, const WalkEntry& entry) noexcept {
    const size_t offset = AddressOf(entry.address) - AddressOf(slab.base);
    if (entry.kind == Kind::kUncommitted) {
        const size_t page = offset / kPageSize;
        const size_t end = EndOfHole(slab, page);
        const size_t next = DivideUp((end == page ? page + 1 : end) * kPageSize, slab.spacing());
        return next < slab.limit ? static_cast<uint32_t>(next) : slab.limit;
    }
    const uint32_t index = slab.IndexOf(entry.address);
    if (entry.kind != Kind::kFree) return index + 1;
    const uint32_t end = EndOfFree(slab, index);
    return end == index ? index + 1 : end;
}

// The block `index` of the slab, the free ones that begin with it, or what has no memory; false
// behind that.
bool SetInSlab(WalkEntry& entry, const Slab& slab, uint32_t index, uint8_t region) noexcept {
    if (index >= slab.limit) {
        const size_t committed = arena::g_arenas.CommittedPrefix(slab.base, slab.slices);
        if (index > slab.limit || committed == slab.size()) return false;
        return SetBlock(entry, Kind::kUncommitted, slab.base + committed, slab.size() - committed,
                        0, region);
    }
    char* const block = slab.BlockAt(index);
    if (slab::HasHole(slab, index)) {
        size_t page = static_cast<size_t>(block - slab.base) / kPageSize;
        while (!slab::IsHole(slab, page)) ++page;
        const size_t pages = EndOfHole(slab, page) - page;
        return SetBlock(entry, Kind::kUncommitted, slab.base + page * kPageSize, pages * kPageSize,
                        0, region);
    }
    const size_t usable = slab.usable();
    uint32_t slack;
    if (!ReadSlack(slab.states + index, block + usable, slack)) {
        const uint32_t end = EndOfFree(slab, index);
        const size_t blocks = end > index ? end - index : 1;
        return SetBlock(entry, Kind::kFree, block, blocks * slab.spacing(), 0, region);
    }
    if (slack > usable) slack = static_cast<uint32_t>(usable);
    SetBlock(entry, Kind::kBusy, block, usable - slack, slack, region);
    if (HasUserRecord(LoadState(slab.states + index))) {
        SetUser(entry, reinterpret_cast<const UserRecord*>(block + usable) - 1);
    }
    return true;
}

// ---- what a heap holds --------------------------------------------------------------------------

// A slab, a live run, or a guarded block.
struct Thing {
    const Slab* slab = nullptr;
    const LargeRun* run = nullptr;
    const slab::GuardedBlock* guarded = nullptr;
    char* base = nullptr;
    size_t bytes = 0;  // of addresses
    // Stands for itself, in no region: on Windows such blocks have a reservation of their own.
    bool alone = false;

    char* end() const noexcept { return base + bytes; }
};

// A slab without any is kept for later, or was left by a heap that ended: to a walk it is not
// there.
bool HasLiveBlock(const Slab& slab) noexcept {
    uint32_t index = 0;
    while (index < slab.limit && IsFreeBlock(slab, index)) ++index;
    return index < slab.limit;
}

// What lies at `base`, which is the heap's; false when a walk has nothing to say of it.
bool ReadThing(char* base, Thing& thing) noexcept {
    const SliceEntry& slice = *arena::g_slice_map.Find(AddressOf(base));
    thing = Thing{};
    thing.base = base;
    switch (slice.kind.load(kRelaxed)) {
        case SliceKind::kSlab:
            thing.slab = slab::SlabOf(slice);
            thing.base = thing.slab->base;
            thing.bytes = thing.slab->size();
            return HasLiveBlock(*thing.slab);
        case SliceKind::kRun:
            thing.run = slab::RunOf(slice);
            thing.bytes = thing.run->capacity() + thing.run->spare * kSliceSize;
            thing.alone =
                thing.run->direct || thing.run->requested.load(kRelaxed) > slab::kMaxRegionBlock;
            return thing.run->IsLive();  // or parked
        case SliceKind::kGuarded:
            thing.guarded = slab::GuardedOf(slice);
            thing.base = thing.guarded->base;
            thing.bytes = thing.guarded->size();
            thing.alone = true;
            return true;
        default:
            thing.bytes = kSliceSize;
            return false;
    }
}

// The next of the heap's things at or above `from`, of those that lie in regions or the others.
bool NextThing(const Heap& heap, const char* from, bool alone, Thing& thing) noexcept {
    for (;;) {
        char* const base = arena::g_arenas.NextOwned(AddressOf(from), heap.owner);
        if (base == nullptr) return false;
        if (ReadThing(base, thing) && thing.alone == alone) return true;
        from = thing.end();
    }
}

// A region: slabs and runs of the heap that lie side by side.
RegionExtent ExtentFrom(const Heap& heap, Thing thing) noexcept {
    RegionExtent extent = {thing.base, 0, 0, thing.base, thing.base};
    do {
        extent.last_block = thing.end();
        extent.committed += arena::g_arenas.CommittedPrefix(thing.base, thing.bytes / kSliceSize) -
                            (thing.slab != nullptr ? slab::HoleBytes(*thing.slab) : 0);
    } while (NextThing(heap, extent.last_block, false, thing) && thing.base == extent.last_block);
    extent.reserved = static_cast<size_t>(extent.last_block - extent.base);
    return extent;
}

uint8_t Limited(size_t index) noexcept {
    return static_cast<uint8_t>(index < kLargeBlockIndex ? index : kLargeBlockIndex - 1);
}

// How many regions begin below `address`.
size_t CountRegionsBefore(const Heap& heap, const char* address) noexcept {
    size_t count = 0;
    const char* end = nullptr;
    Thing thing;
    while (NextThing(heap, end, false, thing) && thing.base < address) {
        if (thing.base != end) ++count;
        end = thing.end();
    }
    return count;
}

// The index of the region that a thing at `base` lies in. Walks go from one end to the other: the
// heap remembers the region that one of them was in last.
uint8_t IndexOfRegion(const Heap& heap, const char* base) noexcept {
    const Heap::Walked& last = heap.walked;
    if (last.Contains(base)) return last.index;
    return Limited(CountRegionsBefore(heap, base + 1) - 1);
}

bool EnterRegion(Heap& heap, WalkEntry& entry, const Thing& first) noexcept {
    const RegionExtent extent = ExtentFrom(heap, first);
    Heap::Walked& last = heap.walked;
    Thing between;
    const bool follows = last.end != nullptr && last.end <= first.base &&
                         NextThing(heap, last.end, false, between) && between.base == first.base;
    const size_t index = follows ? size_t{last.index} + 1 : CountRegionsBefore(heap, first.base);
    last = {extent.base, extent.last_block, nullptr, Limited(index)};
    return SetRegion(entry, extent, last.index);
}

bool Enter(WalkEntry& entry, const Thing& thing, uint8_t region) noexcept {
    if (thing.guarded != nullptr) return SetGuarded(entry, *thing.guarded);
    if (thing.slab != nullptr) return SetInSlab(entry, *thing.slab, 0, region);
    return SetRun(entry, *thing.run, thing.alone ? kLargeBlockIndex : region);
}

// The first thing that stands for itself, at or above `from`.
bool NextAlone(Heap& heap, WalkEntry& entry, const char* from) noexcept {
    Thing thing;
    if (!NextThing(heap, from, true, thing) || !Enter(entry, thing, kLargeBlockIndex)) return false;
    heap.walked.alone = entry.address;
    return true;
}

// Behind something that ended at `from`: what lies in the same region, the next region, or, when
// there is none, the first thing that stands for itself.
bool NextInRegions(Heap& heap, WalkEntry& entry, const char* from, uint8_t region) noexcept {
    Thing thing;
    if (!NextThing(heap, from, false, thing)) return NextAlone(heap, entry, nullptr);
    if (from != nullptr && thing.base == from) return Enter(entry, thing, region);
    return EnterRegion(heap, entry, thing);
}

// REQUIRES: the heap's parts are locked.
bool StepInArenas(Heap& heap, WalkEntry& entry) noexcept {
    const char* const address = static_cast<const char*>(entry.address);
    if (address == nullptr) {
        heap.walked = {};
        return NextInRegions(heap, entry, nullptr, 0);
    }
    const SliceEntry* const slice = arena::g_slice_map.Find(AddressOf(address));
    // How it was reported, not what it is by now. (A caller may have lost the index.)
    const bool was_alone =
        entry.region_index == kLargeBlockIndex ||
        (entry.region_index == 0 && address == heap.walked.alone && !heap.walked.Contains(address));
    const char* const next_slice =
        reinterpret_cast<const char*>(RoundDown(AddressOf(address), kSliceSize) + kSliceSize);
    const SliceKind kind = slice == nullptr ? SliceKind::kNone : slice->kind.load(kRelaxed);
    Thing thing;
    // In this order: behind the first slice of a direct block there is no owner to ask for.
    if ((kind != SliceKind::kSlab && kind != SliceKind::kRun && kind != SliceKind::kGuarded) ||
        arena::g_arenas.OwnerOf(AddressOf(address)) != heap.owner) {
        // It went away since the last step.
        if (was_alone) return NextAlone(heap, entry, next_slice);
        return NextThing(heap, next_slice, false, thing) ? EnterRegion(heap, entry, thing)
                                                         : NextAlone(heap, entry, nullptr);
    }
    ReadThing(const_cast<char*>(address), thing);
    if (was_alone || (thing.alone && !heap.walked.Contains(address))) {
        return NextAlone(heap, entry, thing.end());
    }
    const uint8_t region = IndexOfRegion(heap, thing.base);
    if (entry.kind == Kind::kRegion) return Enter(entry, thing, region);
    if (thing.slab != nullptr) {
        const Slab& slab = *thing.slab;
        const bool at_tail = entry.kind == Kind::kUncommitted &&
                             AddressOf(address) >= AddressOf(slab.BlockAt(slab.limit));
        if (!at_tail && SetInSlab(entry, slab, IndexBehind(slab, entry), region)) return true;
    }
    return NextInRegions(heap, entry, thing.end(), region);
}

// The one region of a heap that cannot grow. REQUIRES: the heap's parts are locked.
bool StepInRegion(Heap& heap, WalkEntry& entry) noexcept {
    const Region& region = *heap.region;
    if (entry.address == nullptr) {
        return SetRegion(
            entry,
            {region.base, region.committed, region.bytes, region.first, slab::EndOfRegion(region)},
            0);
    }
    if (entry.kind == Kind::kUncommitted) return false;
    constexpr uint8_t index = 0;
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
    store::LockParts(heap);
    const bool more =
        heap.region != nullptr ? StepInRegion(heap, entry) : StepInArenas(heap, entry);
    store::UnlockParts(heap);
    return more;
}

}  // namespace strata::heap
