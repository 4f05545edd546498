// HeapLock and its gate, calls that pass it, and the locks of all heaps at once for fork.
//
// Who closes the gate names itself as lock_owner and then takes and gives back each part once. A
// thread that had a part before is done with it by then; one that gets a part later sees the gate
// closed and gives the part up again (WaitAtGate). So nothing of the heap changes under HeapLock,
// and nobody else holds a part of it while waiting.
#include <iterator>

#include "arena/process_arenas.h"
#include "cache/thread_cache.h"
#include "heap/heap.h"
#include "heap/parts.h"
#include "heap/registry.h"
#include "slab/guarded_block.h"
#include "slab/large_run.h"

namespace strata::heap {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

bool IsGuest(const Heap& heap, uintptr_t self) noexcept {
    const cache::ThreadCache* const cache = cache::CurrentCache();
    if (cache != nullptr && cache->guest_of == &heap) return true;
    for (const std::atomic<uintptr_t>& guest : heap.guests) {
        if (guest.load(kRelaxed) == self) return true;
    }
    return false;
}

std::atomic<uintptr_t>* TakePlace(Heap& heap) noexcept {
    for (;;) {
        for (std::atomic<uintptr_t>& guest : heap.guests) {
            uintptr_t nobody = 0;
            if (guest.compare_exchange_strong(nobody, os::ThreadToken(), kRelaxed)) return &guest;
        }
        os::SpinPause();
    }
}

}  // namespace

bool MayPassGate(const Heap& heap) noexcept {
    const uintptr_t owner = heap.lock_owner.load(std::memory_order_acquire);
    const uintptr_t self = os::ThreadToken();
    return owner == 0 || owner == self || IsGuest(heap, self);
}

void WaitAtGate(Heap& heap, os::Lock& part) noexcept {
    while (!MayPassGate(heap)) {
        part.Release();
        heap.gate.Acquire();
        heap.gate.Release();
        part.Acquire();
    }
}

GuestCall::GuestCall(Heap& heap) noexcept {
    cache::ThreadCache* const cache = cache::CurrentCache();
    if (cache == nullptr || cache == &cache::g_detached_cache) {
        place_ = TakePlace(heap);
        return;
    }
    noted_ = &cache->guest_of;
    before_ = *noted_;
    *noted_ = &heap;
}

GuestCall::~GuestCall() {
    if (place_ != nullptr) {
        place_->store(0, kRelaxed);
    } else {
        *noted_ = before_;
    }
}

void LockHeap(Heap& heap) noexcept {
    const uintptr_t self = os::ThreadToken();
    if (heap.lock_owner.load(kRelaxed) == self) {
        ++heap.lock_depth;
        return;
    }
    os::RequireStack(os::kStackForPart);
    heap.gate.Acquire();
    heap.lock_owner.store(self, kRelaxed);
    heap.lock_depth = 1;
    for (ClassState& state : heap.classes) {
        state.depot.lock.Acquire();
        state.depot.lock.Release();
    }
    heap.runs_lock.Acquire();
    heap.runs_lock.Release();
}

bool UnlockHeap(Heap& heap) noexcept {
    if (heap.lock_owner.load(kRelaxed) != os::ThreadToken()) return false;
    if (--heap.lock_depth != 0) return true;
    heap.lock_owner.store(0, std::memory_order_release);
    heap.gate.Release();
    return true;
}

namespace {

void LockPartsFrom(Heap& heap, size_t first) noexcept {
    for (size_t i = first; i < std::size(heap.classes); ++i) heap.classes[i].depot.lock.Acquire();
    heap.runs_lock.Acquire();
}

}  // namespace

void LockParts(Heap& heap) noexcept {
    os::Lock& first = heap.classes[0].depot.lock;
    os::RequireStack(os::kStackForPart);
    first.Acquire();
    if (heap.lock_owner.load(std::memory_order_acquire) != 0) WaitAtGate(heap, first);
    LockPartsFrom(heap, 1);
}

void UnlockParts(Heap& heap) noexcept {
    heap.runs_lock.Release();
    for (ClassState& state : heap.classes) state.depot.lock.Release();
}

// Heaps stay pinned as long as their parts are locked here; a closed gate does not matter, as
// whoever closed it changes nothing without them. The registry comes after the parts; heaps made
// meanwhile are at the end of the list.
void LockEverything() noexcept {
    Heap* last = nullptr;
    for (;;) {
        g_registry_lock.Acquire();
        Heap* const heap = PinBehindLocked(last);
        if (heap == nullptr) break;
        g_registry_lock.Release();
        LockPartsFrom(*heap, 0);
        heap->held_for_fork = true;
        last = heap;
    }
    slab::GuardedQueueLock().Acquire();
    slab::RunCacheLock().Acquire();
    arena::g_arenas.lock().Acquire();
    arena::g_metadata.lock().Acquire();
    arena::g_metadata_arenas.lock().Acquire();
    cache::g_caches_lock.Acquire();
}

namespace {

// In the child other threads are gone: their pins, the gates they closed or were about to, and the
// calls they were in.
void ForgetOthers(Heap& heap) noexcept {
    heap.pins.store(1, kRelaxed);
    for (std::atomic<uintptr_t>& guest : heap.guests) guest.store(0, kRelaxed);
    if (heap.lock_owner.load(kRelaxed) == os::ThreadToken()) return;
    heap.lock_owner.store(0, kRelaxed);
    heap.gate.Release();
}

void UnlockAll(bool in_child) noexcept {
    cache::g_caches_lock.Release();
    arena::g_metadata_arenas.lock().Release();
    arena::g_metadata.lock().Release();
    arena::g_arenas.lock().Release();
    slab::RunCacheLock().Release();
    slab::GuardedQueueLock().Release();
    for (Heap* heap = g_first_heap; heap != nullptr; heap = heap->next) {
        if (!heap->held_for_fork) continue;  // about to end when the others were locked
        heap->held_for_fork = false;
        UnlockParts(*heap);
        if (in_child) ForgetOthers(*heap);
        UnpinLocked(*heap);
    }
    g_registry_lock.Release();
}

}  // namespace

void UnlockEverything() noexcept { UnlockAll(false); }
void UnlockEverythingInChild() noexcept { UnlockAll(true); }

}  // namespace strata::heap
