// How a request is refused.
#pragma once

#include "os/process.h"

namespace strata::heap {

// nullptr, with the out-of-memory error.
inline void* FailWithNoMemory() noexcept {
    os::SetOutOfMemoryError();
    return nullptr;
}

}  // namespace strata::heap
