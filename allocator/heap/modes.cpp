#include "heap/modes.h"

#include "heap/options.h"
#include "slab/guarded_block.h"

namespace strata::heap {

namespace {

bool ReadSwitch(const char* name) noexcept {
    uint64_t value = 0;
    return ReadNumber(name, 1, value) && value != 0;
}

}  // namespace

constinit Modes g_modes;

void ReadModes() noexcept {
    uint64_t value = 0;
    g_modes.hardened = ReadSwitch("STRATA_HARDENED");
    g_modes.page_heap = ReadSwitch("STRATA_PAGE_HEAP");
    g_modes.guard_before = ReadSwitch("STRATA_GUARD_BEFORE");
    if (ReadNumber("STRATA_GUARD_SAMPLE", kMaxSamplePeriod, value)) {
        g_modes.sample_period = static_cast<uint32_t>(value);
    }
    if (ReadNumber("STRATA_GUARD_BLOCKS", SIZE_MAX, value)) slab::LimitGuardedBlocks(value);
}

}  // namespace strata::heap
