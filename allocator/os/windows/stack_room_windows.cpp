#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "base/constants.h"
#include "os/stack_room.h"

namespace strata::os {

namespace {

constexpr uint32_t kTebStackBase = 0x08;  // NT_TIB::StackBase
constexpr uint32_t kTebDeallocationStack =
    0x1478;  // winternl.h leaves it unnamed; public symbols have it

}  // namespace

// Page by page from the lowest that was touched: the guard moves down with each, and the last one overflows.
void TouchStack(size_t bytes) noexcept {
    const uintptr_t here = StackPointer();
    const uintptr_t limit = ReadTeb(kTebStackLimit);
    // A stack of the program's own making, of which the system knows nothing.
    if (here < limit || here >= ReadTeb(kTebStackBase)) return;
    const uintptr_t lowest = ReadTeb(kTebDeallocationStack);
    const uintptr_t end = here - bytes > lowest ? here - bytes : lowest;
    for (uintptr_t page = limit - kPageSize; page >= end; page -= kPageSize) {
        static_cast<void>(*reinterpret_cast<const volatile char*>(page));
    }
}

}  // namespace strata::os
