#include "heap/process.h"

#include <atomic>

#include "arena/process_arenas.h"
#include "cache/flush.h"
#include "slab/guarded_block.h"
#include "slab/run_cache.h"
#include "store/heap_lock.h"
#include "store/registry.h"

namespace strata::heap {

using store::g_first_heap;
using store::g_registry_lock;
using store::Heap;

namespace {

constinit std::atomic<bool> g_process_ending{false};

void UnlockAll(bool in_child) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    cache::g_caches_lock.Release();
    arena::g_metadata_arenas.lock().Release();
    arena::g_metadata.lock().Release();
    arena::g_arenas.lock().Release();
    slab::RunCacheLock().Release();
    slab::GuardedQueueLock().Release();
    for (Heap* heap = g_first_heap; heap != nullptr; heap = heap->next) {
        if (!heap->held_for_fork) continue;  // about to end when the others were locked
        heap->held_for_fork = false;
        store::UnlockParts(*heap);
        if (in_child) store::ForgetOtherThreads(*heap);
        store::UnpinLocked(*heap);
    }
    g_registry_lock.Release();
}

}  // namespace

void ThreadDetach() noexcept {
    cache::ThreadCache* const cache = cache::CurrentCache();
    if (cache == &cache::g_detached_cache || g_process_ending.load(std::memory_order_relaxed)) {
        return;
    }
    // It may call for the first time after this: in callbacks of the program, which come after a
    // DLL's.
    if (cache == nullptr) return cache::MarkDetached();
    cache::FlushThread(*cache);
}

void ProcessDetach() noexcept { g_process_ending.store(true, std::memory_order_relaxed); }

// Heaps stay pinned as long as their parts are locked here; a closed gate does not matter, as
// whoever closed it changes nothing without them. The registry comes after the parts; heaps made
// meanwhile are at the end of the list.
void LockEverything() noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    Heap* last = nullptr;
    for (;;) {
        g_registry_lock.Acquire();
        Heap* const heap = store::PinBehindLocked(last);
        if (heap == nullptr) break;
        g_registry_lock.Release();
        store::LockPartsForFork(*heap);
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

void UnlockEverything() noexcept { UnlockAll(false); }
void UnlockEverythingInChild() noexcept { UnlockAll(true); }

}  // namespace strata::heap
