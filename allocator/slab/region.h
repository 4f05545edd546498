// A region: one range of addresses that blocks of any size are cut from, and that cannot grow. It
// is what a heap of fixed size consists of, and a heap in memory that the caller brings. There
// slabs would be no use: a heap of 64 KiB has room for one.
//
// Everything that is known about the blocks stands in an extent map in memory of its own; the
// region holds nothing but blocks. Pages are committed from the front, as they are needed.
//
// No function here locks: the caller holds the lock of the heap's runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "base/state_byte.h"
#include "slab/extent_map.h"
#include "slab/owners.h"

namespace strata::slab {

enum class RegionMemory : uint8_t {
    kSlices,     // of a shared arena
    kDedicated,  // a reservation of its own
    kCaller,     // the caller's: never reserved, decommitted or released here
};

struct RegionRequest {
    size_t bytes = 0;      // the heap's maximum, or the size of the caller's memory; page multiples
    size_t committed = 0;  // at once; of the caller's memory, what it has committed already
    char* memory = nullptr;  // the caller's, or nullptr
    arena::Owner owner = arena::kNobody;
    store::Heap* heap = nullptr;
    os::Access access = os::Access::kReadWrite;
    bool fill_free = false;  // free memory holds the fill pattern (base/fill.h)
};

// What is asked of a block.
struct RegionBlockRequest {
    size_t bytes = 0;
    size_t alignment = kMinAlignment;
    uint32_t tail = 0;  // bytes behind the block that are not the caller's
    bool user = false;  // with a user record behind those
};

struct Region {
    char* base;    // of the memory
    char* first;   // of the blocks
    size_t bytes;  // of the memory, that may be used
    size_t committed;
    store::Heap* heap;
    ExtentMap map;
    char* map_bytes;
    size_t map_slices;    // of a metadata arena; 0: a reservation of its own
    size_t map_reserved;  // that
    size_t map_committed;
    size_t slices;  // of arenas
    RegionMemory memory;
    os::Access access;
    bool fill_free;

    bool Contains(const void* pointer) const noexcept {
        return AddressOf(pointer) - AddressOf(base) < bytes;
    }
};

// A block as the map has it.
struct RegionBlock {
    enum class Status : uint8_t { kLive, kFree, kInterior, kNone };
    Status status = Status::kNone;
    void* block = nullptr;
    size_t requested = 0;
    size_t usable = 0;           // up to the tail and the user record
    UserRecord* user = nullptr;  // or none
};

// Windows keeps the heap's own structures at the start of such a heap; a program that fills one to
// the last byte finds the same room here: between 0x600 and 0xC00 bytes are missing.
inline constexpr size_t kRegionOverhead = 0x640;

// "Slightly less than 1,024 KB": HeapCreate's limit for blocks of a heap that cannot grow.
inline constexpr size_t kMaxRegionBlock = 0xFF000;

// nullptr when memory is short.
Region* CreateRegion(const RegionRequest& request) noexcept;
// All its blocks end.
void DestroyRegion(Region* region) noexcept;

// A live block; nullptr when there is no room for it, or no memory. `zero`: its bytes are zero.
void* AllocateInRegion(Region& region, const RegionBlockRequest& request, bool zero) noexcept;

// REQUIRES: a live block begins at `block`.
void FreeInRegion(Region& region, void* block) noexcept;

// In place, with the same tail and user record. False when that is not possible.
bool ResizeInRegion(Region& region, void* block, size_t bytes, uint32_t tail, bool zero) noexcept;

// What is at `pointer`, any value whatever. `tail` as the blocks of this heap have it.
RegionBlock FindInRegion(const Region& region, const void* pointer, uint32_t tail) noexcept;

// The extent behind the one that `after` lies in, live or free; the first for nullptr. False at the
// end.
bool NextInRegion(const Region& region, const void* after, uint32_t tail,
                  RegionBlock& next) noexcept;
// One past the last extent.
char* EndOfRegion(const Region& region) noexcept;

// Gives free pages at the end back; never the caller's.
void PurgeRegion(Region& region) noexcept;

// The largest block that could be allocated from committed memory, in bytes.
size_t LargestFreeInRegion(const Region& region) noexcept;

}  // namespace strata::slab
