// Options from the environment, read once when the process heap is made. docs/options.md lists them.
#pragma once

#include <cstdint>

namespace strata::heap {

// A whole number from `text`; false when it is anything else or larger than `most`.
bool ParseNumber(const char* text, uint64_t most, uint64_t& value) noexcept;

// Reads all options. What cannot be understood is said on standard error, and the default stands.
void ReadOptions() noexcept;

}  // namespace strata::heap
