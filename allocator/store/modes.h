// How strict the heaps of this process are: read once from the environment, before its heap is made
// (docs/options.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/text.h"

namespace strata::store {

// Beyond that a sample is as good as none, and the arithmetic on periods has room.
inline constexpr uint32_t kMaxSamplePeriod = 100'000'000;

struct Modes {
    bool hardened = false;      // STRATA_HARDENED: all heaps, as if each was asked for so
    bool page_heap = false;     // STRATA_PAGE_HEAP: every block is a guarded block
    bool guard_before = false;  // STRATA_GUARD_BEFORE: guarded blocks begin where their pages begin
    uint32_t sample_period = 0;        // STRATA_GUARD_SAMPLE: one allocation in so many; 0: none
    size_t guarded_blocks = SIZE_MAX;  // STRATA_GUARD_BLOCKS: so many live at a time
};
extern constinit Modes g_modes;

// `complaints` gets a line for each that cannot be understood; then the default stands.
Modes ReadModes(os::TextSink& complaints) noexcept;

}  // namespace strata::store
