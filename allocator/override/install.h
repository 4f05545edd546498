// Takes over the heap of this process, or declines as a whole.
#pragma once

#include "override/settings.h"

namespace strata::override {

// Sets g_status: active, or declined with the reason, in which case no byte of another module has
// changed. Call it once, at process attach.
void Install(const Settings& settings) noexcept;

}  // namespace strata::override
