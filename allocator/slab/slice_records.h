// The records behind the entries of the slice map, by their types; and the state byte of a slab's
// block.
#pragma once

#include "arena/process_arenas.h"
#include "slab/guarded_block.h"
#include "slab/large_run.h"
#include "slab/slab.h"

namespace strata::slab {

// REQUIRES: the entry is of this kind.
STRATA_INLINE Slab* SlabOf(const arena::SliceEntry& entry) noexcept {
    return static_cast<Slab*>(entry.record.load(std::memory_order_relaxed));
}
STRATA_INLINE LargeRun* RunOf(const arena::SliceEntry& entry) noexcept {
    return static_cast<LargeRun*>(entry.record.load(std::memory_order_relaxed));
}
STRATA_INLINE GuardedBlock* GuardedOf(const arena::SliceEntry& entry) noexcept {
    return static_cast<GuardedBlock*>(entry.record.load(std::memory_order_relaxed));
}

// Finds the state byte of the slab block that starts at `block`, by the entry of its slice; false
// when none does.
STRATA_INLINE bool FindStateIn(const arena::SliceEntry& entry, const void* block,
                               StateByte*& state) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    const uint32_t offset = static_cast<uint32_t>(AddressOf(block)) - entry.slab_base.load(relaxed);
    const uint64_t reciprocal = entry.reciprocal.load(relaxed);
    const Product product = Multiply(offset, reciprocal);
    // Not a multiple of the spacing, or no slab (reciprocal 0).
    if (STRATA_UNLIKELY(product.low >= reciprocal)) return false;
    state = entry.states.load(relaxed) + product.high;
    return true;
}

// The same for any pointer value; false as well when it lies outside the window of the slice map.
STRATA_INLINE bool FindState(const void* block, arena::SliceEntry*& entry,
                             StateByte*& state) noexcept {
    if (STRATA_UNLIKELY(!arena::g_slice_map.IsInWindow(AddressOf(block)))) return false;
    entry = arena::g_slice_map.EntryAt(AddressOf(block));
    return FindStateIn(*entry, block, state);
}

}  // namespace strata::slab
