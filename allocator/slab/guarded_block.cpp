#include "slab/guarded_block.h"

#include <cstring>
#include <new>

#include "arena/process_arenas.h"
#include "base/fill.h"
#include "base/thread_safety.h"
#include "slab/hardened_slab.h"
#include "slab/large_run.h"

namespace strata::slab {

namespace {

using arena::g_arenas;
using arena::g_metadata;
using arena::g_slice_map;

constexpr auto kRelaxed = std::memory_order_relaxed;

static_assert(sizeof(GuardedBlock) <= 448, "one more size of metadata chunks otherwise");

// Freed blocks whose addresses are not used again yet, oldest first.
struct Queue {
    os::Lock lock{os::LockRank::kGuardedQueue};
    GuardedBlock* oldest STRATA_GUARDED_BY(lock) = nullptr;
    GuardedBlock* newest STRATA_GUARDED_BY(lock) = nullptr;
    size_t blocks STRATA_GUARDED_BY(lock) = 0;
    size_t bytes STRATA_GUARDED_BY(lock) = 0;  // of addresses
};
constinit Queue g_queue;

constinit std::atomic<size_t> g_most{SIZE_MAX};
constinit std::atomic<size_t> g_live{0};

// Slices at the start whose entries in the slice map are this block's: of a reservation of its own,
// only those that a pointer to the block can lie in. There, one more is where the guard behind
// begins.
size_t MappedSlices(const GuardedBlock& block) noexcept { return block.direct ? 2 : block.slices; }
void EnterInMap(GuardedBlock& block) noexcept {
    g_slice_map.SetGuarded(AddressOf(block.base), MappedSlices(block), &block);
    if (!block.direct) return;
    block.guard = RoundDown(AddressOf(block.pages) + block.committed, kSliceSize);
    g_slice_map.SetGuardBehind(block.guard, &block);
}
void RemoveFromMap(const GuardedBlock& block) noexcept {
    g_slice_map.Clear(AddressOf(block.base), MappedSlices(block));
    if (block.direct) g_slice_map.Clear(block.guard, 1);
}

bool PlaceShared(GuardedBlock& block, os::Access access) noexcept {
    block.base = g_arenas.Allocate(block.slices, 1, kRunOwner, access);
    if (block.base == nullptr) return false;
    block.pages = block.base + kSliceSize;
    if (DecommitAll(block.base, block.slices) &&
        g_arenas.Commit(block.pages, block.pages + block.committed)) {
        return true;
    }
    g_arenas.Free(block.base, block.slices);
    return false;
}

bool PlaceDirect(GuardedBlock& block, os::Access access) noexcept {
    block.base = g_arenas.AllocateDedicated(block.size(), kArenaSize, kRunOwner, access);
    if (block.base == nullptr) return false;
    block.direct = true;
    block.slices = g_arenas.DedicatedBytes(block.base) / kSliceSize;
    block.pages = block.base + kSliceSize;
    if (arena::g_memory.Commit(block.pages, block.committed, block.committed, access)) {
        CountDirectCommitted(block.committed, 0);
        return true;
    }
    g_arenas.FreeDedicated(block.base, 0);
    return false;
}

bool Place(GuardedBlock& block, const GuardedRequest& request) noexcept {
    block.committed = RoundUp(request.bytes == 0 ? 1 : request.bytes, kPageSize);
    block.slices = 1 + DivideUp(block.committed + kPageSize, kSliceSize);
    const bool placed = block.slices <= kMaxRunSlices ? PlaceShared(block, request.access)
                                                      : PlaceDirect(block, request.access);
    if (!placed) return false;
    // Of 0 bytes: the end of the page, so that any touch faults.
    block.block = request.at_front && request.bytes != 0
                      ? block.pages
                      : block.pages + RoundDown(block.committed - request.bytes, request.alignment);
    return true;
}

// What is not the caller's on the block's pages.
void FillBehind(const GuardedBlock& block) noexcept {
    const size_t requested = block.requested.load(kRelaxed);
    std::memset(block.block + requested, kTailFill, block.room() - requested);
}

bool IsFilled(const char* from, const char* to) noexcept {
    uint64_t expected;
    std::memset(&expected, kTailFill, sizeof expected);
    for (uint64_t word; static_cast<size_t>(to - from) >= sizeof word; from += sizeof word) {
        std::memcpy(&word, from, sizeof word);
        if (word != expected) return false;
    }
    for (; from != to; ++from) {
        if (static_cast<uint8_t>(*from) != kTailFill) return false;
    }
    return true;
}

void Release(GuardedBlock* block) noexcept {
    RemoveFromMap(*block);
    if (block->direct) {
        SetGuardedOwner(*block, arena::kNobody);
        CountDirectCommitted(0, block->committed);
        g_arenas.FreeDedicated(block->base, block->committed);
    } else {
        g_arenas.Free(block->base, block->slices);
    }
    g_metadata.Free(block, sizeof(GuardedBlock));
}

bool DecommitPages(GuardedBlock& block) noexcept {
    if (!block.direct) {
        if (!g_arenas.Decommit(block.pages, block.pages + block.committed)) return false;
    } else {
        if (!arena::g_memory.Decommit(block.pages, block.committed, block.committed)) return false;
        CountDirectCommitted(0, block.committed);
    }
    block.committed = 0;
    return true;
}

// One that the queue has no room for; nullptr when it has room.
GuardedBlock* TakeOldest(size_t most_blocks, size_t most_bytes) noexcept {
    const os::LockGuard guard(g_queue.lock, os::kStackForRun);
    if (g_queue.blocks <= most_blocks && g_queue.bytes <= most_bytes) return nullptr;
    GuardedBlock* const oldest = g_queue.oldest;
    g_queue.oldest = oldest->next;
    if (g_queue.oldest == nullptr) g_queue.newest = nullptr;
    --g_queue.blocks;
    g_queue.bytes -= oldest->size();
    return oldest;
}

}  // namespace

os::Lock& GuardedQueueLock() noexcept { return g_queue.lock; }

void LimitGuardedBlocks(size_t most) noexcept { g_most.store(most, kRelaxed); }
size_t LiveGuardedBlocks() noexcept { return g_live.load(kRelaxed); }

void SetGuardedOwner(const GuardedBlock& block, arena::Owner owner) noexcept {
    // The first slice, by which walks find the block, and the one that a pointer to it lies in. One
    // by one: of a reservation of its own, only single slices have owners.
    g_arenas.SetOwner(block.base, 1, owner);
    g_arenas.SetOwner(block.pages, 1, owner);
}

GuardedBlock* AllocateGuarded(const GuardedRequest& request) noexcept {
    if (request.bytes > kMapArenas * kArenaSize / 2) return nullptr;
    if (g_live.fetch_add(1, kRelaxed) >= g_most.load(kRelaxed)) {
        g_live.fetch_sub(1, kRelaxed);
        return nullptr;
    }
    void* const chunk = g_metadata.Allocate(sizeof(GuardedBlock));
    GuardedBlock* const block = chunk == nullptr ? nullptr : new (chunk) GuardedBlock{};
    if (block == nullptr || !Place(*block, request)) {
        if (block != nullptr) g_metadata.Free(block, sizeof(GuardedBlock));
        g_live.fetch_sub(1, kRelaxed);
        return nullptr;
    }
    block->heap = request.heap;
    block->store = request.store;
    block->requested.store(request.bytes, kRelaxed);
    std::memset(block->pages, kTailFill, static_cast<size_t>(block->block - block->pages));
    FillBehind(*block);
    // Pairs with MarkFree: who ends the block sees it whole. EnterInMap publishes it to all others.
    block->live.store(true, std::memory_order_release);
    EnterInMap(*block);
    return block;
}

bool MarkFree(GuardedBlock& block) noexcept {
    return block.live.exchange(false, std::memory_order_acq_rel);
}

void RetireGuarded(GuardedBlock* block) noexcept {
    g_live.fetch_sub(1, kRelaxed);
    // What the system refuses to decommit is given up with its addresses: the purge tries again.
    if (!DecommitPages(*block)) return Release(block);
    {
        const os::LockGuard guard(g_queue.lock, os::kStackForRun);
        block->next = nullptr;
        (g_queue.newest != nullptr ? g_queue.newest->next : g_queue.oldest) = block;
        g_queue.newest = block;
        ++g_queue.blocks;
        g_queue.bytes += block->size();
    }
    while (GuardedBlock* const oldest = TakeOldest(kGuardedQueueBlocks, kGuardedQueueBytes)) {
        Release(oldest);
    }
}

void EmptyGuardedQueue() noexcept {
    while (GuardedBlock* const oldest = TakeOldest(0, 0)) Release(oldest);
}

bool ResizeGuarded(GuardedBlock& block, size_t bytes, bool zero) noexcept {
    const size_t old = block.requested.load(kRelaxed);
    if (bytes > block.room()) return false;
    if (zero && bytes > old) std::memset(block.block + old, 0, bytes - old);
    block.requested.store(bytes, kRelaxed);
    FillBehind(block);
    return true;
}

Overwritten FindOverwritten(const GuardedBlock& block) noexcept {
    if (!IsFilled(block.pages, block.block)) return Overwritten::kBefore;
    const char* const end = block.block + block.requested.load(kRelaxed);
    return IsFilled(end, block.pages + block.committed) ? Overwritten::kNothing
                                                        : Overwritten::kBehind;
}

}  // namespace strata::slab
