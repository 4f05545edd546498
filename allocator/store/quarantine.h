// The quarantine of a hardened heap: where freed blocks of slabs stay, filled, before they can be
// handed out again. First in a ring, so that each stays for a number of frees; then in a pool, from
// which one leaves at random when another comes.
#pragma once

#include "store/heap_record.h"

namespace strata::store {

// Room for the classes' quarantines; nullptr when memory is short.
Quarantine* CreateQuarantine() noexcept;
// All of its blocks end with their slabs.
void DestroyQuarantine(Quarantine* quarantine) noexcept;

// Takes a block whose state is free and whose fill is in place, and returns the one that has to
// leave for it: checked, to be put back in its slab; nullptr when none has to. REQUIRES: the lock
// of the class.
void* PutInQuarantine(Store& store, SizeClass size_class, void* block) noexcept;

// Checks all blocks and puts them back in their slabs.
void DrainQuarantine(Store& store) noexcept;

}  // namespace strata::store
