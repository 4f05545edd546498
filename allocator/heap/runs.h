// A heap's list of large runs. Internal to this folder.
#pragma once

#include "arena/process_arenas.h"
#include "heap/heap_record.h"

namespace strata::heap {

inline void LinkRun(Heap& heap, slab::LargeRun& run) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    run.previous = nullptr;
    run.next = heap.runs;
    if (run.next != nullptr) run.next->previous = &run;
    heap.runs = &run;
    arena::g_arenas.SetOwner(run.base, 1, heap.serial.load(std::memory_order_relaxed));
}

inline void UnlinkRun(Heap& heap, slab::LargeRun& run) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    (run.previous != nullptr ? run.previous->next : heap.runs) = run.next;
    if (run.next != nullptr) run.next->previous = run.previous;
    arena::g_arenas.SetOwner(run.base, 1, slab::kRunOwner);
}

}  // namespace strata::heap
