// What is asked of redirect.h, one entry point each.
#pragma once

#include <cstddef>

#include "override/relocate.h"

namespace strata::override {

struct RedirectRequest {
    const char* name;         // for messages
    void* entry;              // what to redirect
    const void* replacement;  // where to
    // Receives the trampoline: the function as it was; may be nullptr. Several may share one: then
    // it is that of a function which does not come to another of them (see originals.h).
    void** original;
    FirstJump first =
        FirstJump::kRefused;  // kMoved: the entry is a jump, and known to be the module's own
};

inline constexpr size_t kMaxRedirects = 64;

}  // namespace strata::override
