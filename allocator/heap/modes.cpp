#include "heap/modes.h"

#include "heap/options.h"

namespace strata::heap {

namespace {

bool ReadSwitch(const char* name, os::TextSink& complaints) noexcept {
    uint64_t value = 0;
    return ReadNumber(name, 1, value, complaints) && value != 0;
}

}  // namespace

constinit Modes g_modes;

Modes ReadModes(os::TextSink& complaints) noexcept {
    Modes modes;
    uint64_t value = 0;
    modes.hardened = ReadSwitch("STRATA_HARDENED", complaints);
    modes.page_heap = ReadSwitch("STRATA_PAGE_HEAP", complaints);
    modes.guard_before = ReadSwitch("STRATA_GUARD_BEFORE", complaints);
    if (ReadNumber("STRATA_GUARD_SAMPLE", kMaxSamplePeriod, value, complaints)) {
        modes.sample_period = static_cast<uint32_t>(value);
    }
    if (ReadNumber("STRATA_GUARD_BLOCKS", SIZE_MAX, value, complaints)) {
        modes.guarded_blocks = value;
    }
    return modes;
}

}  // namespace strata::heap
