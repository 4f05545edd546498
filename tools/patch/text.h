// Numbers and foreign names as they stand in messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace strata::patch {

// "0x1f400"
std::string Hex(uint64_t value);

// "1 byte", "20 bytes"
std::string Count(uint64_t count, std::string_view noun);

// Text out of a file, safe to print: what is not printable ASCII becomes '?', so that a name cannot
// steer a terminal.
std::string Printable(std::string_view text);

// File names and the like, whose case does not matter on Windows.
bool EqualNames(std::string_view a, std::string_view b);

}  // namespace strata::patch
