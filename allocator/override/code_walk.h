// Following a function along its branches and jumps, to see which others it may come to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::override {

// Sets bit i of `reached` for each of entries[0 … count) that the function at `function` jumps to,
// falls into or calls, in whatever case. A jump out of the function is followed within the module;
// of a call, the target and the jumps at its beginning. REQUIRES: count <= 64. False when the code
// cannot be followed to its end: it has bytes that are no instruction, or is too large.
bool ReachedEntries(const void* function, const void* const* entries, size_t count,
                    uint64_t& reached) noexcept;

}  // namespace strata::override
