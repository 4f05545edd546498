// Who uses a slice.
#pragma once

#include <cstdint>

namespace strata::arena {

// A number of the user's choice (that of a heap's record), never 0.
using Owner = uint32_t;
inline constexpr Owner kNobody = 0;

}  // namespace strata::arena
