// Options from the environment, read once when the process heap is made. docs/options.md lists them.
#pragma once

#include <cstdint>

namespace strata::heap {

// A whole number from `text`; false when it is anything else or larger than `most`.
bool ParseNumber(const char* text, uint64_t most, uint64_t& value) noexcept;

// The option's value; false when it is not set, or set to something else than a number in range, which is
// said on standard error.
bool ReadNumber(const char* name, uint64_t most, uint64_t& value) noexcept;

// Reads all options but the modes (modes.h). What cannot be understood is said on standard error, and the default stands.
void ReadOptions() noexcept;

}  // namespace strata::heap
