// The record behind a heap handle. It lies at a multiple of 64 KiB in a reservation of its own
// (heap_records.h); the handle is its address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arena/arena_set.h"
#include "base/fill.h"
#include "os/lock.h"
#include "slab/region.h"
#include "store/store.h"

namespace strata::store {

// Threads without a cache that are in a call past a closed gate at one time. One more waits until
// another's call ends.
inline constexpr size_t kMaxGuests = 4;

class Heap {
public:
    enum class Life : uint32_t { kNever = 0, kAlive = 0x61727453, kDestroyed = 0x64616564 };

    // ---- who it is: set before it is alive ----

    std::atomic<Life> life;
    uint32_t options;  // the HEAP_* flags it was created with
    // Never the same for two heaps of a process, and larger than that of all heaps before it; 0
    // when destroyed. Thread caches know the heap by it.
    std::atomic<uint64_t> serial;
    // The record's number, by which arenas know who owns their slices (heap_records.h). The same
    // for all heaps that the record has been.
    arena::Owner owner;
    bool is_process_heap;
    // No region, no checks: blocks come from slabs and runs, through magazines.
    bool is_unchecked;
    bool check_tail;  // the bytes behind each block are filled, and looked at
    bool check_free;  // free blocks are filled, and looked at
    bool hardened;    // both, and all of docs/security.md; not of a region
    bool page_heap;   // both, and its blocks are guarded ones
    // Allocations go through AllocateWith, which asks whether each is to be a guarded block.
    bool may_be_guarded;
    os::Access access;
    // Whether programs are told that this is a low-fragmentation heap (api/heap_information.h).
    std::atomic<bool> low_fragmentation;
    bool held_for_fork;  // all parts of it; guarded by them

    // ---- its place among the heaps: changed under the registry's lock (registry.h) ----

    // Visitors that look at the heap without being its users.
    std::atomic<uint32_t> pins;
    Heap* next;  // in creation order
    Heap* previous;

    // ---- HeapLock (heap_lock.h) ----

    // While the gate is closed, nobody but who closed it gets hold of a part of the heap, except
    // visitors who only look, and guests: threads in a call that does not wait for HeapLock.
    os::Lock gate{os::LockRank::kGate};
    uint32_t lock_depth STRATA_GUARDED_BY(gate);
    std::atomic<uintptr_t> lock_owner;
    std::atomic<uintptr_t> guests[kMaxGuests];  // by ThreadToken; 0: nobody

    // ---- the purge (heap/purge.h) ----

    std::atomic<uint64_t> drained_epoch;  // when the depots' surplus was last given back
    std::atomic<uint64_t> ticked_epoch;   // when the tick last looked

    // ---- walks (heap/walk.cpp): guarded by all parts ----

    // The region that a walk was in last, and the block in none that it came to last.
    struct Walked {
        const char* base;
        const char* end;
        const void* alone;
        uint8_t index;

        bool Contains(const char* address) const noexcept {
            return address >= base && address < end;
        }
    };
    Walked walked;

    // ---- what a heap that ended left for the next one in its record (heap/dormant.h) ----
    // Guarded by the registry's lock once it is in a list there.

    uint64_t dormant_serial;   // of the heap that was
    uint64_t dormant_epoch;    // when it ended
    uintptr_t dormant_thread;  // whose bins still hold blocks of its slabs; 0: nobody's

    // ---- its memory ----

    // Of a heap that cannot grow: all its blocks. What is in it is guarded by the store's
    // runs_lock.
    slab::Region* region;

    // The store that the calling thread's requests are served from.
    Store& home() noexcept { return store_; }
    // All of them.
    std::span<Store> stores() noexcept { return {&store_, 1}; }
    std::span<const Store> stores() const noexcept { return {&store_, 1}; }

    // Bytes behind each block that are not the caller's.
    uint8_t TailOf() const noexcept { return check_tail ? uint8_t{kTailBytes} : uint8_t{0}; }

private:
    Store store_;
};
static_assert(sizeof(Heap) <= kPageSize);

}  // namespace strata::store
