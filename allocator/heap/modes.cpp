#include "heap/modes.h"

#include "heap/options.h"
#include "slab/guarded_block.h"

namespace strata::heap {

namespace {

// Beyond that a sample is as good as none, and the arithmetic on periods has room.
constexpr uint64_t kMostPeriod = 1'000'000'000;

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
    if (ReadNumber("STRATA_GUARD_SAMPLE", kMostPeriod, value)) {
        g_modes.sample_period = static_cast<uint32_t>(value);
    }
    if (ReadNumber("STRATA_GUARD_BLOCKS", SIZE_MAX, value)) slab::LimitGuardedBlocks(value);
}

}  // namespace strata::heap
