#include "store/modes.h"

#include "store/options.h"

namespace strata::store {

constinit Modes g_modes;

Modes ReadModes(os::TextSink& complaints) noexcept {
    Modes modes;
    uint64_t value = 0;
    ReadSwitch("STRATA_HARDENED", modes.hardened, complaints);
    ReadSwitch("STRATA_PAGE_HEAP", modes.page_heap, complaints);
    ReadSwitch("STRATA_GUARD_BEFORE", modes.guard_before, complaints);
    if (ReadNumber("STRATA_GUARD_SAMPLE", kMaxSamplePeriod, value, complaints)) {
        modes.sample_period = static_cast<uint32_t>(value);
    }
    if (ReadNumber("STRATA_GUARD_BLOCKS", SIZE_MAX, value, complaints)) {
        modes.guarded_blocks = value;
    }
    return modes;
}

}  // namespace strata::store
