// What may be set of the purge: how long, and how much. Set once, before threads allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/constants.h"

namespace strata::arena {

struct PurgePolicy {
    uint32_t decay_epochs = kDecayEpochs;  // epochs that a free slice keeps its pages; below 250
    size_t retained_slices = kRetainedSlices;  // free slices that keep them for good
};

extern constinit PurgePolicy g_purge_policy;

}  // namespace strata::arena
