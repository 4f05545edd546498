// Options from the environment, read once when the process heap is made. docs/options.md lists
// them.
//
// Each is a switch or a number, read by the functions here and nowhere else. `complaints` gets a
// line for a value that cannot be understood; then the default stands.
#pragma once

#include <cstdint>

#include "arena/purge_policy.h"
#include "os/text.h"

namespace strata::store {

// A whole number from `text`; false when it is anything else or larger than `most`.
bool ParseNumber(const char* text, uint64_t most, uint64_t& value) noexcept;
// 1, on, yes, true; 0, off, no, false; in capitals or not. False when it is anything else.
bool ParseSwitch(const char* text, bool& value) noexcept;

// The option's value; false, and `value` is as it was, when it is not set, empty, or not
// understood.
bool ReadNumber(const char* name, uint64_t most, uint64_t& value,
                os::TextSink& complaints) noexcept;
bool ReadSwitch(const char* name, bool& value, os::TextSink& complaints) noexcept;

// Reads all options but the modes (modes.h).
arena::PurgePolicy ReadPurgePolicy(os::TextSink& complaints) noexcept;

// A line for each variable that is named as if it was one of Strata's, and is none: with the name
// that is meant, if one is near.
void CheckNames(os::TextSink& complaints) noexcept;

// Those in force, as they would be set: "STRATA_HARDENED=0 STRATA_DECAY_MS=512 …". REQUIRES: the
// process heap exists.
void PutOptions(os::TextSink& text) noexcept;

}  // namespace strata::store
