#include "slab/region.h"

#include <cstring>
#include <new>

#include "arena/process_arenas.h"
#include "base/fill.h"
#include "os/fatal.h"
#include "slab/large_run.h"

namespace strata::slab {

namespace {

using arena::g_arenas;
using arena::g_memory;
using arena::g_metadata;
using arena::g_metadata_arenas;
using arena::g_slice_map;

constexpr size_t kGranule = ExtentMap::kGranule;
// Pages are committed this much at a time: more as the region grows.
constexpr size_t kLeastStep = 4 * kPageSize;
constexpr size_t kMostStep = 64 * kPageSize;

// A live block's mark in the map: slack, and whether it has a user record.
constexpr uint8_t kUserMark = 0x20;
constexpr uint8_t kSlackMask = 0x1F;

size_t Overhead(const Region& region) noexcept {
    return static_cast<size_t>(region.first - region.base);
}
size_t Capacity(const Region& region) noexcept {
    return (region.bytes - Overhead(region)) / kGranule;
}
char* AddressAt(const Region& region, size_t granule) noexcept {
    return region.first + granule * kGranule;
}
size_t GranuleAt(const Region& region, const void* address) noexcept {
    return static_cast<size_t>(static_cast<const char*>(address) - region.first) / kGranule;
}

// Commits the memory up to `end` bytes from the base.
bool CommitTo(Region& region, size_t end) noexcept {
    end = RoundUp(end, kPageSize);
    if (end <= region.committed) return true;
    char* const from = region.base + region.committed;
    const size_t fresh = end - region.committed;
    switch (region.memory) {
        case RegionMemory::kSlices:
            if (!g_arenas.Commit(region.base, region.base + end)) return false;
            break;
        case RegionMemory::kDedicated:
            if (!g_memory.Commit(from, fresh, fresh, region.access)) return false;
            CountDirectCommitted(fresh, 0);
            break;
        case RegionMemory::kCaller:  // in the caller's books, not in ours
            if (!g_memory.Commit(from, fresh, 0, region.access)) return false;
            break;
    }
    region.committed = end;
    return true;
}

bool CommitMapTo(Region& region, size_t granules) noexcept {
    const size_t end = RoundUp(granules, kPageSize);
    if (end <= region.map_committed) return true;
    const size_t fresh = end - region.map_committed;
    char* const from = region.map_bytes + region.map_committed;
    const bool done = region.map_slices != 0
                          ? g_metadata_arenas.Commit(region.map_bytes, region.map_bytes + end)
                          : g_memory.Commit(from, fresh, fresh);
    if (!done) return false;
    region.map_committed = end;
    return true;
}

// Makes `granules` more of the memory usable. Nothing changes when memory is short.
bool GrowBy(Region& region, size_t granules) noexcept {
    const size_t old = region.map.size();
    if (!CommitMapTo(region, old + granules)) return false;
    if (!CommitTo(region, Overhead(region) + (old + granules) * kGranule)) return false;
    if (region.fill_free) FillFree(AddressAt(region, old), granules * kGranule);
    region.map.Grow(granules);
    return true;
}

// Room for `count` more granules in one piece at the end, and for as much as is committed with
// them.
bool MakeRoom(Region& region, size_t count) noexcept {
    const size_t have = region.map.FreeAtEnd();
    const size_t need = count > have ? count - have : 0;
    const size_t left = Capacity(region) - region.map.size();
    if (need > left) return false;
    size_t step = region.committed / 4;
    step = step < kLeastStep ? kLeastStep : step > kMostStep ? kMostStep : step;
    size_t wanted = need * kGranule < step ? step / kGranule : need;
    // Up to the end of a page: what is committed is used.
    const size_t end =
        RoundUp(Overhead(region) + (region.map.size() + wanted) * kGranule, kPageSize);
    wanted = (end - Overhead(region)) / kGranule - region.map.size();
    if (wanted > left) wanted = left;
    return GrowBy(region, wanted) || (need != 0 && need != wanted && GrowBy(region, need));
}

UserRecord* UserRecordOf(const Region& region, const ExtentMap::Extent& extent) noexcept {
    return reinterpret_cast<UserRecord*>(AddressAt(region, extent.end()) - sizeof(UserRecord));
}

uint8_t MarkOf(size_t granules, size_t needed, bool user) noexcept {
    return static_cast<uint8_t>((granules * kGranule - needed) | (user ? kUserMark : 0));
}

bool PlaceInArena(Region& region, const RegionRequest& request) noexcept {
    const size_t slices = DivideUp(request.bytes, kSliceSize);
    if (slices <= kMaxRunSlices) {
        region.memory = RegionMemory::kSlices;
        region.slices = slices;
        region.base = g_arenas.Allocate(slices, 1, request.owner, request.access);
        if (region.base == nullptr) return false;
        // A former user's pages: a heap of fixed size has no more than it asked for.
        if (g_arenas.Decommit(region.base, region.base + slices * kSliceSize)) return true;
        g_arenas.Free(region.base, slices);
        return false;
    }
    region.memory = RegionMemory::kDedicated;
    region.base =
        g_arenas.AllocateDedicated(request.bytes, kArenaSize, request.owner, request.access);
    if (region.base == nullptr) return false;
    region.slices = slices;
    return true;
}

void GiveMemoryBack(Region& region) noexcept {
    if (region.memory == RegionMemory::kSlices) {
        g_arenas.Free(region.base, region.slices);
    } else if (region.memory == RegionMemory::kDedicated) {
        CountDirectCommitted(0, region.committed);
        g_arenas.FreeDedicated(region.base, region.committed);
    }
}

bool MakeMap(Region& region) noexcept {
    const size_t slices = DivideUp(Capacity(region), kSliceSize);
    if (slices <= kMaxRunSlices - 2) {
        region.map_slices = slices;
        region.map_bytes = g_metadata.AllocateSlices(slices);
    } else {
        os::ReserveRequest reserve;
        reserve.bytes = slices * kSliceSize;
        region.map_reserved = reserve.bytes;
        region.map_bytes = static_cast<char*>(g_memory.Reserve(reserve));
    }
    if (region.map_bytes == nullptr) return false;
    new (&region.map) ExtentMap(reinterpret_cast<uint8_t*>(region.map_bytes));
    return true;
}

void DropMap(Region& region) noexcept {
    if (region.map_bytes == nullptr) return;
    if (region.map_slices != 0) {
        g_metadata.FreeSlices(region.map_bytes, region.map_slices);
        return;
    }
    const size_t committed = region.map_committed;
    if (g_memory.Release(region.map_bytes, region.map_reserved, committed)) return;
    // The addresses are lost then, but not the commit charge.
    g_memory.Decommit(region.map_bytes, region.map_reserved, committed);
}

// The part of the memory that blocks may use from the beginning.
bool UseInitialMemory(Region& region, size_t committed) noexcept {
    size_t initial = committed < kPageSize ? kPageSize : RoundUp(committed, kPageSize);
    if (initial > region.bytes) initial = region.bytes;
    const size_t granules = (initial - Overhead(region)) / kGranule;
    return GrowBy(region, granules);
}

}  // namespace

Region* CreateRegion(const RegionRequest& request) noexcept {
    if (request.bytes < kPageSize || request.bytes > kMapArenas * kArenaSize) return nullptr;
    void* const chunk = g_metadata.Allocate(sizeof(Region));
    if (chunk == nullptr) return nullptr;
    Region* const region = new (chunk) Region{};
    region->base = request.memory;
    region->bytes = request.bytes;
    region->heap = request.heap;
    region->memory = RegionMemory::kCaller;
    region->access = request.access;
    region->fill_free = request.fill_free;
    if (request.memory == nullptr && !PlaceInArena(*region, request)) {
        g_metadata.Free(chunk, sizeof(Region));
        return nullptr;
    }
    region->first = region->base + kRegionOverhead;
    if (request.memory != nullptr) region->committed = request.committed;
    const size_t initial = request.memory != nullptr ? kPageSize : request.committed;
    if (!MakeMap(*region) || !UseInitialMemory(*region, initial)) {
        DropMap(*region);
        GiveMemoryBack(*region);
        g_metadata.Free(chunk, sizeof(Region));
        return nullptr;
    }
    if (request.memory == nullptr) {
        g_slice_map.SetRegion(AddressOf(region->base), region->slices, region);
    }
    return region;
}

void DestroyRegion(Region* region) noexcept {
    if (region->memory != RegionMemory::kCaller) {
        g_slice_map.Clear(AddressOf(region->base), region->slices);
    }
    DropMap(*region);
    GiveMemoryBack(*region);
    g_metadata.Free(region, sizeof(Region));
}

void* AllocateInRegion(Region& region, const RegionBlockRequest& request, bool zero) noexcept {
    if (request.bytes > kMaxRegionBlock || request.alignment > region.bytes) return nullptr;
    const size_t needed =
        request.bytes + request.tail + (request.user ? sizeof(UserRecord) : size_t{0});
    const size_t count = DivideUp(needed == 0 ? 1 : needed, kGranule);
    const size_t step = request.alignment <= kGranule ? 1 : request.alignment / kGranule;
    const size_t phase = AddressOf(region.first) / kGranule & (step - 1);
    size_t place = region.map.Find(count, step, phase);
    if (place == ExtentMap::kNone) {
        // An aligned place may need less than the worst case: then all that is left will do.
        const size_t left = Capacity(region) - region.map.size();
        if (!MakeRoom(region, count + step - 1) &&
            (step == 1 || left == 0 || !GrowBy(region, left))) {
            return nullptr;
        }
        place = region.map.Find(count, step, phase);
        if (place == ExtentMap::kNone) return nullptr;
    }
    char* const block = AddressAt(region, place);
    if (region.fill_free) {
        const size_t changed = FindChangedFill(block, count * kGranule);
        if (changed != count * kGranule) os::FatalWriteAfterFree(block, region.heap, changed);
    }
    region.map.Take(place, count, MarkOf(count, needed, request.user));
    if (zero) std::memset(block, 0, request.bytes);
    return block;
}

void FreeInRegion(Region& region, void* block) noexcept {
    const size_t first = GranuleAt(region, block);
    if (region.fill_free) FillFree(block, region.map.At(first).count * kGranule);
    region.map.Release(first);
}

bool ResizeInRegion(Region& region, void* block, size_t bytes, uint32_t tail, bool zero) noexcept {
    if (bytes > kMaxRegionBlock) return false;
    const size_t first = GranuleAt(region, block);
    const ExtentMap::Extent old = region.map.At(first);
    const RegionBlock before = FindInRegion(region, block, tail);
    const bool user = before.user != nullptr;
    const UserRecord record = user ? *before.user : UserRecord{};
    const size_t needed = bytes + tail + (user ? sizeof(UserRecord) : size_t{0});
    const size_t count = DivideUp(needed == 0 ? 1 : needed, kGranule);
    if (!region.map.Resize(first, count)) {
        // Perhaps it is the last one, and there is memory behind it.
        if (old.end() + region.map.FreeAtEnd() != region.map.size()) return false;
        if (!MakeRoom(region, count - old.count) || !region.map.Resize(first, count)) return false;
    }
    if (region.fill_free && count > old.count) {
        void* const grown = AddressAt(region, old.end());
        const size_t grown_bytes = (count - old.count) * kGranule;
        const size_t changed = FindChangedFill(grown, grown_bytes);
        if (changed != grown_bytes) os::FatalWriteAfterFree(grown, region.heap, changed);
    }
    region.map.SetMark(first, MarkOf(count, needed, user));
    if (user) *UserRecordOf(region, region.map.At(first)) = record;
    if (zero && bytes > before.requested) {
        std::memset(static_cast<char*>(block) + before.requested, 0, bytes - before.requested);
    }
    if (region.fill_free && count < old.count) {
        FillFree(AddressAt(region, first + count), (old.count - count) * kGranule);
    }
    return true;
}

RegionBlock FindInRegion(const Region& region, const void* pointer, uint32_t tail) noexcept {
    RegionBlock result;
    const size_t offset = AddressOf(pointer) - AddressOf(region.first);
    if (offset / kGranule >= region.map.size()) return result;
    const ExtentMap::Extent extent = region.map.Around(offset / kGranule);
    result.block = AddressAt(region, extent.first);
    const size_t bytes = extent.count * kGranule;
    result.usable = bytes;
    result.status = RegionBlock::Status::kFree;
    if (!extent.live) return result;
    const uint8_t mark = region.map.Mark(extent.first);
    const bool user = (mark & kUserMark) != 0;
    const size_t overhead = tail + (user ? sizeof(UserRecord) : size_t{0});
    result.status =
        result.block == pointer ? RegionBlock::Status::kLive : RegionBlock::Status::kInterior;
    result.requested = bytes - (mark & kSlackMask) - overhead;
    result.usable = bytes - overhead;
    if (user) result.user = UserRecordOf(region, extent);
    return result;
}

bool NextInRegion(const Region& region, const void* after, uint32_t tail,
                  RegionBlock& next) noexcept {
    size_t granule = 0;
    if (after != nullptr) {
        granule = GranuleAt(region, after);
        if (granule >= region.map.size()) return false;
        granule = region.map.Around(granule).end();
    }
    if (granule >= region.map.size()) return false;
    next = FindInRegion(region, AddressAt(region, granule), tail);
    return true;
}

char* EndOfRegion(const Region& region) noexcept { return AddressAt(region, region.map.size()); }

void PurgeRegion(Region& region) noexcept {
    if (region.memory == RegionMemory::kCaller) return;
    const size_t used = region.map.size() - region.map.FreeAtEnd();
    size_t keep = RoundUp(Overhead(region) + used * kGranule, kPageSize);
    if (keep < kPageSize) keep = kPageSize;
    if (keep >= region.committed) return;
    char* const from = region.base + keep;
    const size_t bytes = region.committed - keep;
    if (region.memory == RegionMemory::kSlices) {
        if (!g_arenas.Decommit(from, region.base + region.slices * kSliceSize)) return;
    } else {
        if (!g_memory.Decommit(from, bytes, bytes)) return;
        CountDirectCommitted(0, bytes);
    }
    region.committed = keep;
    const size_t granules = (keep - Overhead(region)) / kGranule;
    if (granules < region.map.size()) region.map.Shrink(region.map.size() - granules);
}

size_t LargestFreeInRegion(const Region& region) noexcept {
    size_t largest = 0;
    for (size_t i = 0; i < region.map.size();) {
        const ExtentMap::Extent extent = region.map.At(i);
        if (!extent.live && extent.count > largest) largest = extent.count;
        i = extent.end();
    }
    const size_t bytes = largest * kGranule;
    return bytes < kMaxRegionBlock ? bytes : kMaxRegionBlock;
}

}  // namespace strata::slab
