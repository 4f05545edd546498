// The functions of the C runtime that a program is linked with, although the program has replaced
// them: for blocks that the runtime made.
#pragma once

#include <cstdint>

namespace strata::api {

enum class RuntimeFunction : uint8_t {
    kFree,
    kMsize,
    kRealloc,
    kExpand,
    kAlignedFree,
    kAlignedOffsetRealloc,
    kAlignedMsize,
    kQueryNewMode,
    kCount,
};

// nullptr when the runtime is no DLL, or does not export it. Takes no lock once the program runs.
void* FindRuntimeFunction(RuntimeFunction function) noexcept;

template <typename Function>
Function FromRuntime(RuntimeFunction function) noexcept {
    return reinterpret_cast<Function>(FindRuntimeFunction(function));
}

}  // namespace strata::api
