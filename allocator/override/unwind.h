// Unwind data for trampolines, so that exceptions, debuggers and profilers find their way through
// them.
//
// A trampoline begins as the function that it stands for: the operations of that function's prolog
// that lie in the moved instructions are those of the trampoline's (Microsoft, "x64 exception
// handling").
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/relocate.h"

namespace strata::override {

// Of an UNWIND_INFO: the header, and room for two bytes for each code.
inline constexpr size_t kMaxUnwindCodes = 16;
inline constexpr size_t kMaxUnwindBytes = 4 + 2 * kMaxUnwindCodes;

enum class Unwinding : uint8_t {
    kLeaf,       // the function has no unwind data, and so needs none
    kDescribed,  // `info` describes the trampoline
    kUnknown,    // what the function has is not understood
};

// Writes the UNWIND_INFO of `entry`'s trampoline to `info`, which has kMaxUnwindBytes at a multiple
// of 4.
Unwinding DescribeTrampoline(const void* entry, const RelocatedEntry& relocated,
                             uint8_t* info) noexcept;

}  // namespace strata::override
