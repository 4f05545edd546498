// What the tests may set of the os layer they run on.
#pragma once

#include <cstdint>

#include "os/memory.h"

namespace strata::interleave {

extern uint64_t g_now;  // milliseconds

// The system's memory calls, each a point.
const os::MemoryCalls& CallsWithPoints();

}  // namespace strata::interleave
