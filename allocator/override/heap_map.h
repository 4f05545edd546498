// Which of our heaps stands behind a heap handle of the system. Handles stay the system's own: the
// original RtlCreateHeap is always called, so that lists of heaps, handle checks and everything
// that reads the system's heap structure go on as before; our heap is a companion of the system's.
//
// Reading takes no lock and never waits. The table is open addressing with linear probing; a
// growing table is replaced by a larger one, and the old one is kept for readers that may be in it
// (all old tables together are smaller than the current one).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/thread_safety.h"
#include "heap/heap.h"
#include "os/lock.h"

namespace strata::override {

class HeapMap {
public:
    constexpr HeapMap() noexcept = default;
    HeapMap(const HeapMap&) = delete;
    HeapMap& operator=(const HeapMap&) = delete;

    // nullptr when the handle has no heap of ours.
    heap::Heap* Find(const void* handle) const noexcept;

    // False when there is no memory for it. `handle` is not in the map and is not null.
    bool Insert(const void* handle, heap::Heap* heap) noexcept STRATA_EXCLUDES(lock_);

    // Takes the handle out; its heap, or nullptr.
    heap::Heap* Remove(const void* handle) noexcept STRATA_EXCLUDES(lock_);

    size_t size() noexcept STRATA_EXCLUDES(lock_);

private:
    static constexpr uintptr_t kEmpty = 0;
    static constexpr uintptr_t kRemoved = 1;
    static constexpr size_t kFirstCapacity = 256;

    struct Slot {
        std::atomic<uintptr_t> handle{kEmpty};
        std::atomic<heap::Heap*> heap{nullptr};
    };
    // What stands in front of the slots of every table but the first.
    struct Header {
        size_t capacity;
        size_t unused;
    };
    struct Table {
        Slot* slots;
        size_t capacity;
    };

    Table Current() const noexcept;
    static Slot* FindSlot(Table table, uintptr_t key) noexcept;
    static void Place(Table table, uintptr_t key, heap::Heap* heap) noexcept;
    bool Grow() noexcept STRATA_REQUIRES(lock_);

    Slot first_[kFirstCapacity] = {};
    std::atomic<Header*> grown_{nullptr};
    size_t size_ STRATA_GUARDED_BY(lock_) = 0;
    os::Lock lock_{os::LockRank::kHeapMap};
};

}  // namespace strata::override
