// The record of one arena. Internal to this folder: others use ArenaSet.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/owner.h"
#include "base/bitmap.h"
#include "base/constants.h"
#include "os/memory.h"

namespace strata::arena {

// Fields without a note are guarded by the set's lock. `pages` and `owner` of a slice in use belong
// to its user.
struct Arena {
    char* base;              // nullptr: the record is unused
    Arena* next;             // by address
    size_t reserved;         // bytes; more than kArenaSize only when dedicated
    uint32_t free;           // slices
    uint32_t warm;           // free slices that have pages
    os::Access access;       // what its pages are committed for
    bool dedicated;          // one direct block; none of the slice books below are used
    bool unreleased;         // dedicated and freed, but the system took nothing back
    size_t still_committed;  // then: its commit charge
    Bitmap<kSlicesPerArena> used;
    Bitmap<kSlicesPerArena> warm_slices;
    std::atomic<uint8_t> pages[kSlicesPerArena];  // committed prefix of each slice
    std::atomic<uint8_t> dirty[kSlicesPerArena];  // 1: the committed pages may hold data
    uint8_t freed_epoch[kSlicesPerArena];
    std::atomic<Owner> owner[kSlicesPerArena];

    size_t SliceOf(uintptr_t address) const noexcept {
        return (address - reinterpret_cast<uintptr_t>(base)) / kSliceSize;
    }
    char* SliceAt(size_t slice) const noexcept { return base + slice * kSliceSize; }
};

inline constexpr size_t kArenaRecordBytes = 2 * kPageSize;
static_assert(sizeof(Arena) <= kArenaRecordBytes);

}  // namespace strata::arena
