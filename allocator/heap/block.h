// From a pointer to what is known of its block. Internal to this folder.
#pragma once

#include "heap/fast_path.h"
#include "heap/heap.h"
#include "heap/heap_record.h"

namespace strata::heap {

// A live block as found by its pointer: in a slab, a run or a region.
struct Block {
    Heap* heap = nullptr;
    slab::Slab* slab = nullptr;  // one of the four
    slab::LargeRun* run = nullptr;
    slab::Region* region = nullptr;
    slab::GuardedBlock* guarded = nullptr;
    StateByte* state = nullptr;  // slab blocks
    UserRecord* user = nullptr;  // or none
    size_t requested = 0;
    size_t usable = 0;  // with what a slab's block holds behind the requested bytes

    // What the caller may ask for without another block.
    size_t Room() const noexcept {
        if (slab == nullptr) return usable;
        const size_t user_bytes = user != nullptr ? sizeof(UserRecord) : 0;
        return usable - user_bytes - heap->TailOf();
    }
};

// The live block of a slab or a run that starts at `pointer`; false when none does.
STRATA_INLINE bool FindBlock(const void* pointer, Block& block) noexcept {
    const arena::SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(pointer));
    if (entry == nullptr) return false;
    if (FindStateIn(*entry, pointer, block.state)) {
        const uint8_t state = LoadState(block.state);
        if (!IsLive(state)) return false;
        block.slab = static_cast<slab::Slab*>(entry->record.load(std::memory_order_relaxed));
        block.heap = static_cast<Heap*>(block.slab->heap);
        block.usable = block.slab->usable();
        char* const end = static_cast<char*>(const_cast<void*>(pointer)) + block.usable;
        block.requested = block.usable - LoadSlack(state, end);
        if (HasUserRecord(state)) {
            block.user = reinterpret_cast<UserRecord*>(end - sizeof(UserRecord));
        }
        return true;
    }
    if (entry->kind.load(std::memory_order_relaxed) != arena::SliceKind::kRun) return false;
    auto* const run = static_cast<slab::LargeRun*>(entry->record.load(std::memory_order_relaxed));
    if (run->base != pointer || !run->IsLive()) return false;
    block.run = run;
    block.heap = static_cast<Heap*>(run->heap);
    block.requested = run->requested.load(std::memory_order_relaxed);
    block.usable = run->usable();
    if (run->has_user.load(std::memory_order_relaxed)) block.user = &run->user;
    return true;
}

// The same in the region of `heap`. REQUIRES: the lock of its runs.
bool FindRegionBlock(Heap& heap, const void* pointer, Block& block) noexcept;

// RequireBlock for blocks in regions, guarded blocks, and the end of the process for what is no block.
STRATA_COLD Block RequireBlockSlow(os::Operation operation, const void* pointer,
                                   const Heap* expected) noexcept;

// The live block, of `expected` unless that is nullptr; or the end of the process.
STRATA_INLINE Block RequireBlock(os::Operation operation, const void* pointer,
                                 const Heap* expected) noexcept {
    Block block;
    const bool good = STRATA_LIKELY(FindBlock(pointer, block)) &&
                      (expected == nullptr || block.heap == expected) &&
                      block.requested <= block.usable;
    if (STRATA_UNLIKELY(!good)) return RequireBlockSlow(operation, pointer, expected);
    return block;
}

// Whether the bytes behind the block are as they were filled, and around it if it is guarded; true when
// its heap does not fill.
bool HasIntactTail(const Block& block, const void* pointer) noexcept;

// Finds the block again: handed over, it would lie in memory on the common way, too.
STRATA_COLD void RequireTailSlow(os::Operation operation, const void* pointer) noexcept;

// Ends the process when they are not. (RequireBlock has seen to those of guarded blocks.)
inline void RequireTail(os::Operation operation, const Block& block, const void* pointer) noexcept {
    if (STRATA_UNLIKELY(block.heap->check_tail)) RequireTailSlow(operation, pointer);
}

}  // namespace strata::heap
