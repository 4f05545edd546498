// Room on the stack, made sure of before a lock is taken.
//
// A program may survive the overflow of a stack (STATUS_STACK_OVERFLOW, _resetstkoflw). Were it to
// happen with a lock of Strata's held, that lock would be held for ever. So who takes a lock first
// touches as much of the stack as can be needed until he gives it back: the overflow, if it comes,
// comes there, as an exception like any other, and nothing has changed. Elsewhere than on Windows
// such a fault ends the process.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/compiler.h"
#include "os/thread.h"

namespace strata::os {

// What is needed at most: by a whole call, which so overflows before it has changed anything, and,
// for those who come another way, by the holder of a lock, by its rank (os/lock_rank.h): so much
// the more as others are taken while it is held. tests/life measures it.
inline constexpr size_t kStackForCall = 12 * 1024;
inline constexpr size_t kStackForPart = 8 * 1024;  // gates and parts
inline constexpr size_t kStackForRegistry = 7 * 1024;
inline constexpr size_t kStackForRun = 6 * 1024;  // the guarded blocks' queue, the run cache
inline constexpr size_t kStackForMetadata = 5 * 1024;
inline constexpr size_t kStackForArenas = 4 * 1024;  // and what comes behind them

#ifdef _WIN32
// NT_TIB::StackLimit: the lowest page that has been touched.
inline constexpr uint32_t kTebStackLimit = 0x10;
STRATA_COLD void TouchStack(size_t bytes) noexcept;

STRATA_INLINE uintptr_t StackPointer() noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
    return reinterpret_cast<uintptr_t>(_AddressOfReturnAddress());
#else
    uintptr_t value;
    __asm__ volatile("movq %%rsp, %0" : "=r"(value));
    return value;
#endif
}

STRATA_INLINE void RequireStack(size_t bytes) noexcept {
    if (STRATA_UNLIKELY(StackPointer() - bytes < ReadTeb(kTebStackLimit))) TouchStack(bytes);
}
#else
STRATA_INLINE void RequireStack(size_t) noexcept {}
#endif

}  // namespace strata::os
