// The records of heaps: where they lie, and which are free.
#pragma once

#include <cstdint>

#include "store/heap_record.h"

namespace strata::store {

// The registry's lock. Guards the list of heaps (registry.h) and their lives, and the lists of
// records. Held for a few instructions only, and never while a heap's own lock is taken: who holds
// a heap (HeapLock) may create and list others.
extern constinit os::Lock g_registry_lock;

// A record, not alive yet and without a serial, or nullptr when memory is short; one that has slabs
// (heap/dormant.h) if that is `welcome`.
Heap* TakeRecordLocked(bool welcome) noexcept STRATA_REQUIRES(g_registry_lock);

// The heap is no longer in the list.
void GiveRecordBackLocked(Heap* heap, bool dormant) noexcept STRATA_REQUIRES(g_registry_lock);

// Records that have slabs.
uint32_t DormantRecords() noexcept;
// The oldest of them, if its heap ended in epoch `before` or earlier; taken out of their list. Or
// nullptr.
Heap* TakeDormantRecordLocked(uint64_t before) noexcept STRATA_REQUIRES(g_registry_lock);

// A serial that no heap has had.
uint64_t NextSerialLocked() noexcept STRATA_REQUIRES(g_registry_lock);
// The last that was given.
uint64_t LastSerialLocked() noexcept STRATA_REQUIRES(g_registry_lock);
// As if so many heaps had been created. For tests.
void SkipSerialsLocked(uint64_t count) noexcept STRATA_REQUIRES(g_registry_lock);

// The heap with this handle; nullptr when `handle` is not a live heap. Any value is allowed.
Heap* FromHandle(void* handle) noexcept;

// The record that this number names as the owner of slices; nullptr when it is none, or that of no
// record.
Heap* RecordOf(arena::Owner owner) noexcept;

}  // namespace strata::store
