// What is said at the end of the process: who served how many calls, and what is still live.
#pragma once

#include "override/settings.h"

namespace strata::override {

// Writes the text of STRATA_STATS to standard error, and the line of STRATA_STATS_FILE, as far as
// the settings ask. For process detach: waits for nothing.
void ReportAtExit(const Settings& settings) noexcept;

}  // namespace strata::override
