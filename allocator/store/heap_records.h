// The records of heaps: where they lie, and which are free.
#pragma once

#include <cstdint>

#include "store/heap_record.h"

namespace strata::store {

// A record, not alive yet and without a serial, or nullptr when memory is short; one that has slabs
// (heap/dormant.h) if that is `welcome`. REQUIRES: the registry's lock.
Heap* TakeRecordLocked(bool welcome) noexcept;

// REQUIRES: the registry's lock; the heap is no longer in its list.
void GiveRecordBackLocked(Heap* heap, bool dormant) noexcept;

// Records that have slabs.
uint32_t DormantRecords() noexcept;
// The oldest of them, if its heap ended in epoch `before` or earlier; taken out of their list. Or
// nullptr. REQUIRES: the registry's lock.
Heap* TakeDormantRecordLocked(uint64_t before) noexcept;

// A serial that no heap has had. REQUIRES: the registry's lock.
uint64_t NextSerialLocked() noexcept;
// The last that was given.
uint64_t LastSerialLocked() noexcept;
// As if so many heaps had been created. For tests. REQUIRES: the registry's lock.
void SkipSerialsLocked(uint64_t count) noexcept;

// The heap with this handle; nullptr when `handle` is not a live heap. Any value is allowed.
Heap* FromHandle(void* handle) noexcept;

// The record that this number names as the owner of slices; nullptr when it is none, or that of no
// record.
Heap* RecordOf(arena::Owner owner) noexcept;

}  // namespace strata::store
