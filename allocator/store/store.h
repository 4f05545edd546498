// A store: memory from which one heap hands out blocks. The slabs and the depot of each size class,
// the list of large runs, and the locks of all of these.
//
// A heap may have several; a block goes back to the store that it came from, which its slab or run
// names. (Today each heap has one.)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/size_classes.h"
#include "os/lock.h"
#include "slab/guarded_block.h"
#include "slab/large_run.h"
#include "slab/owners.h"
#include "slab/slab_set.h"
#include "store/depot.h"

namespace strata::store {

struct Quarantine;

// What a store has for each size class.
struct ClassStore {
    Depot depot;
    slab::SlabSet slabs STRATA_GUARDED_BY(depot.lock);
};
static_assert(sizeof(ClassStore) == 32);

class Store {
public:
    Heap* heap;  // whose

    // Bytes in all depots.
    std::atomic<size_t> depot_bytes;

    os::Lock runs_lock{os::LockRank::kRuns};
    slab::LargeRun* runs STRATA_GUARDED_BY(runs_lock);
    // The next that PurgeRunTails looks at, if any.
    slab::LargeRun* next_look STRATA_GUARDED_BY(runs_lock);
    slab::GuardedBlock* guarded STRATA_GUARDED_BY(runs_lock);  // live ones
    Quarantine* quarantine;  // of a hardened heap; a class's part is guarded by the class's lock

    // Classes that ever had a slab. Only grows as long as the heap lives.
    std::atomic<uint64_t> used_classes[(kSizeClasses + 63) / 64];

    // How often each class was asked for on slow paths since the epoch began, up to kRareUses.
    std::atomic<uint8_t> rare_uses[kSizeClasses];

    ClassStore classes[kSizeClasses];

    ClassStore& ClassAt(SizeClass size_class) noexcept { return classes[Index(size_class)]; }

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
    // The class to serve a request of `size_class` from. One without slabs gets them only when it
    // is asked for often; meanwhile larger blocks do, of a class that others share. (Each class
    // that has a single block in use costs a slice.) Threads that ask at the same time may count
    // once for both.
    SizeClass ClassToUse(SizeClass size_class) noexcept {
        std::atomic<uint8_t>& uses = rare_uses[Index(size_class)];
        const uint8_t count = uses.load(std::memory_order_relaxed);
        if (count >= kRareUses) return size_class;
        uses.store(static_cast<uint8_t>(count + 1), std::memory_order_relaxed);
        return Uses(Index(size_class)) ? size_class : CoarseClassOf(size_class);
    }
    void ForgetUses() noexcept {
        for (std::atomic<uint8_t>& uses : rare_uses) uses.store(0, std::memory_order_relaxed);
    }
};

}  // namespace strata::store
