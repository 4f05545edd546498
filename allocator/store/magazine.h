// Magazines: small arrays of free blocks of one size class, in which blocks pass between a thread's
// bins and a store's depot.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/constants.h"
#include "slab/slab.h"

namespace strata::store {

using slab::FreeBlock;

// In front of the blocks stands one more entry's room, the header. While the magazine is in a bin
// its first word is null: where a block would be, there is none, so a pop needs no other test for
// the end.
struct Magazine {
    Magazine* next;  // in a list of magazines; nullptr in a bin
    uint32_t capacity;
    uint32_t count;       // only in a depot or a closed bin; an open bin keeps pointers instead
    FreeBlock blocks[1];  // `capacity` of them
};
static_assert(offsetof(Magazine, blocks) == sizeof(FreeBlock));

constexpr size_t MagazineBytes(uint32_t capacity) noexcept {
    return offsetof(Magazine, blocks) + capacity * sizeof(FreeBlock);
}
static_assert(MagazineBytes(kMaxMagazineEntries) == 2048);
static_assert(MagazineBytes(kFirstMagazineEntries) == 64);

// An empty magazine; nullptr when memory is short.
Magazine* CreateMagazine(uint32_t capacity) noexcept;
void DestroyMagazine(Magazine* magazine) noexcept;

}  // namespace strata::store
