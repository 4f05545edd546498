// The records of heaps: where they lie, and which are free. Internal to this folder.
#pragma once

#include <cstdint>

#include "heap/heap_record.h"

namespace strata::heap {

// A record with a serial of its own, not alive yet, or nullptr when memory is short; one that has slabs
// (dormant.h) if that is `welcome`. REQUIRES: the registry's lock.
Heap* TakeRecordLocked(bool welcome) noexcept;

// REQUIRES: the registry's lock; the heap is no longer in its list.
void GiveRecordBackLocked(Heap* heap, bool dormant) noexcept;

// Records that have slabs.
uint32_t DormantRecords() noexcept;

}  // namespace strata::heap
