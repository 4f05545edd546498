// Options from the environment, read once when the process heap is made. docs/options.md lists them.
#pragma once

#include <cstdint>

#include "arena/purge_policy.h"
#include "os/text.h"

namespace strata::heap {

// A whole number from `text`; false when it is anything else or larger than `most`.
bool ParseNumber(const char* text, uint64_t most, uint64_t& value) noexcept;

// The option's value; false when it is not set, or set to something else than a number in range, of which
// `complaints` gets a line.
bool ReadNumber(const char* name, uint64_t most, uint64_t& value,
                os::TextSink& complaints) noexcept;

// Reads all options but the modes (modes.h). Where one cannot be understood, the default stands.
arena::PurgePolicy ReadPurgePolicy(os::TextSink& complaints) noexcept;

}  // namespace strata::heap
