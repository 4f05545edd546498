// Which of several functions that one replacement stands for may be its original.
//
// A replacement that has a case to leave to the function as it was calls one original, whichever of
// its entries it was reached by. If that original comes, on its way, to another of these entries,
// it comes to the replacement again, and so on for ever: Microsoft's `free` is a jump to
// `_free_base` behind two instructions. A function that has an original of its own is as safe as it
// was before.
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/redirect_request.h"

namespace strata::override {

struct Originals {
    uint64_t published = 0;  // a bit for each request: its function is the original
    uint64_t unproven =
        0;  // ... it must not be redirected beside the first that shares its original
};

// REQUIRES: count <= kMaxRedirects, and nothing is redirected yet. The functions are followed along
// all their branches and jumps; of what they call only the target is looked at.
Originals ProveOriginals(const RedirectRequest* requests, size_t count) noexcept;

}  // namespace strata::override
