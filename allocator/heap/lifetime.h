// The lives of heaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/block.h"

namespace strata::heap {

// Makes everything ready; called by all functions that need it. False when memory is short; a later
// call tries again.
bool Initialize() noexcept;

// The same, once, before anything else is called: with a process heap that checks (see
// HeapRequest).
bool InitializeWithChecks(bool check_tail, bool check_free) noexcept;

// The heap of malloc; nullptr only when Initialize fails.
Heap* ProcessHeap() noexcept;

struct HeapRequest {
    uint32_t options = 0;  // the HEAP_* flags, kept in the heap
    // All zero: the heap can grow. Otherwise it is one region of this size, in `memory` of the
    // caller's if given, of which `initial` bytes are committed at once (or were, by the caller).
    // Page multiples.
    size_t maximum = 0;
    size_t initial = 0;
    void* memory = nullptr;
    bool executable = false;  // blocks may hold code
    bool check_tail = false;  // notice writes behind blocks, and into free ones: slower
    bool check_free = false;
    bool hardened = false;   // random blocks, a quarantine, guards around slabs and large blocks
    bool page_heap = false;  // every block on pages of its own, against a guard
};

// Makes committed pages executable that a heap is to be made in. False when the system refuses.
bool AllowExecution(void* memory, size_t bytes) noexcept;

// A new heap; nullptr when memory is short.
Heap* CreateHeap(const HeapRequest& request) noexcept;

// Frees all blocks of `heap`, and it. REQUIRES: alive, not the process heap, in no other thread's
// use.
void DestroyHeap(Heap* heap) noexcept;

}  // namespace strata::heap
