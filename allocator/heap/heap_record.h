// The record behind a heap handle. It lies at a multiple of 64 KiB in a reservation of its own
// (registry.cpp); the handle is its address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "base/fill.h"
#include "base/size_classes.h"
#include "cache/depot.h"
#include "cache/thread_cache.h"
#include "os/lock.h"
#include "os/thread.h"
#include "slab/guarded_block.h"
#include "slab/large_run.h"
#include "slab/region.h"
#include "slab/slab_set.h"

namespace strata::heap {

// What a heap has per size class. Both parts are guarded by depot.lock.
struct ClassState {
    cache::Depot depot;
    slab::SlabSet slabs;
};
static_assert(sizeof(ClassState) == 32);

struct Quarantine;

// Threads without a cache that are in a call past a closed gate at one time. One more waits until another's call
// ends.
inline constexpr size_t kMaxGuests = 4;

// The region that a walk was in last, and the block in none that it came to last (walk.cpp).
struct RegionInWalk {
    const char* base;
    const char* end;
    const void* alone;
    uint8_t index;

    bool Contains(const char* address) const noexcept { return address >= base && address < end; }
};

class Heap {
public:
    enum class Life : uint32_t { kNever = 0, kAlive = 0x61727453, kDestroyed = 0x64616564 };

    std::atomic<Life> life;
    uint32_t options;  // the HEAP_* flags it was created with
    // Never the same for two heaps of a process, and larger than that of all heaps before it; 0 when destroyed.
    // Thread caches know the heap by it.
    std::atomic<uint64_t> serial;
    // The record's number, by which arenas know who owns their slices (heap_pool.h). The same for all heaps
    // that the record has been.
    arena::Owner owner;
    bool is_process_heap;
    // No region, no checks: blocks come from slabs and runs, through magazines.
    bool is_plain;
    bool check_tail;  // the bytes behind each block are filled, and looked at
    bool check_free;  // free blocks are filled, and looked at
    bool hardened;    // both, and all of docs/security.md; not of a region
    bool page_heap;   // both, and its blocks are guarded ones
    // Allocations go through AllocateWith, where guarded blocks are thought of.
    bool has_door;
    bool held_for_fork;  // all parts of it; guarded by them
    os::Access access;

    // Whether programs are told that this is a low-fragmentation heap (api/heap_information.h).
    std::atomic<bool> low_fragmentation;

    // Visitors that look at the heap without being its users (registry.h). Changed under the
    // registry's lock only.
    std::atomic<uint32_t> pins;

    // HeapLock: the gate, who closed it, and how often. While it is closed, nobody else gets hold of a part of
    // the heap, but visitors who only look, and guests: threads in a call that does not wait for HeapLock.
    os::Lock gate;
    uint32_t lock_depth;  // guarded by the gate
    std::atomic<uintptr_t> lock_owner;
    std::atomic<uintptr_t> guests[kMaxGuests];  // by ThreadToken; 0: nobody

    // When the depots' surplus was last given back.
    std::atomic<uint64_t> drained_epoch;
    // When PurgeTick last looked.
    std::atomic<uint64_t> ticked_epoch;

    // What the depots hold.
    std::atomic<size_t> depot_bytes;

    os::Lock runs_lock;
    slab::LargeRun* runs;       // guarded by runs_lock
    slab::LargeRun* next_look;  // the next one that TrimRuns looks at, if any; guarded by runs_lock
    // Of a heap that cannot grow: all its blocks. What is in it is guarded by runs_lock.
    slab::Region* region;

    slab::GuardedBlock* guarded;  // live ones; guarded by runs_lock
    Quarantine* quarantine;       // if hardened; a class's part is guarded by the class's lock

    RegionInWalk walked;  // guarded by all parts

    Heap* next;  // in creation order; guarded by the registry's lock
    Heap* previous;

    // Classes that ever had a slab. Only grows as long as the heap lives.
    std::atomic<uint64_t> used_classes[(kSizeClasses + 63) / 64];

    // How often each class was asked for on slow paths since the epoch began, up to kRareUses.
    std::atomic<uint8_t> rare_uses[kSizeClasses];

    // What a heap that ended left behind for the next one in its record (dormant.h). Guarded by the
    // registry's lock once it is in a list there.
    uint64_t dormant_serial;   // of the heap that was
    uint64_t dormant_epoch;    // when it ended
    uintptr_t dormant_thread;  // whose bins still hold blocks of its slabs; 0: nobody's

    ClassState classes[kSizeClasses];

    uint16_t BinOffset(SizeClass size_class) const noexcept {
        return is_process_heap ? cache::BinOffset(size_class) : cache::kNoBinOffset;
    }
    void NoteUse(SizeClass size_class) noexcept {
        std::atomic<uint64_t>& word = used_classes[Index(size_class) / 64];
        const uint64_t bit = uint64_t{1} << (Index(size_class) % 64);
        if ((word.load(std::memory_order_relaxed) & bit) == 0) {
            word.fetch_or(bit, std::memory_order_relaxed);
        }
    }
    bool Uses(size_t class_index) const noexcept {
        const uint64_t word = used_classes[class_index / 64].load(std::memory_order_relaxed);
        return (word >> (class_index % 64) & 1) != 0;
    }
    bool IsRare(SizeClass size_class) const noexcept {
        return rare_uses[Index(size_class)].load(std::memory_order_relaxed) < kRareUses;
    }
    // The class to serve a request of `size_class` from. One without slabs gets them only when it is asked for
    // often; meanwhile larger blocks do, of a class that others share. (Each class that has a single block in
    // use costs a slice.) Threads that ask at the same time may count once for both.
    SizeClass ClassToUse(SizeClass size_class) noexcept {
        std::atomic<uint8_t>& uses = rare_uses[Index(size_class)];
        const uint8_t count = uses.load(std::memory_order_relaxed);
        if (count >= kRareUses) return size_class;
        uses.store(static_cast<uint8_t>(count + 1), std::memory_order_relaxed);
        return Uses(Index(size_class)) ? size_class : CoarseClassOf(size_class);
    }
    // For SlabSet::Take, which may make a slab of the class.
    slab::SlabRequest RequestFor(SizeClass size_class) noexcept {
        NoteUse(size_class);
        return {size_class,
                owner,
                this,
                BinOffset(size_class),
                false,
                access,
                check_free,
                hardened,
                is_process_heap && IsRare(size_class)};
    }
    // Bytes behind each block that are not the caller's.
    uint8_t TailOf() const noexcept { return check_tail ? uint8_t{kTailBytes} : uint8_t{0}; }
};
static_assert(sizeof(Heap) <= kPageSize);

}  // namespace strata::heap
