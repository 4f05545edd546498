#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "base/constants.h"
#include "os/stack_room.h"
#include "os/windows/last_error_keeper.h"

namespace strata::os {

namespace {

constexpr uint32_t kTebStackBase = 0x08;  // NT_TIB::StackBase

bool IsCommitted(uintptr_t page) noexcept {
    MEMORY_BASIC_INFORMATION information;
    return VirtualQuery(reinterpret_cast<void*>(page), &information, sizeof information) != 0 &&
           information.State == MEM_COMMIT;
}

}  // namespace

// Page by page from the lowest that was touched: the guard moves down with each, and the last one
// overflows. A stack of the program's own making has no guard that moves, and what lies below it is
// nobody's business.
void TouchStack(size_t bytes) noexcept {
    const LastErrorKeeper keeper;
    const uintptr_t here = StackPointer();
    const uintptr_t limit = ReadTeb(kTebStackLimit);
    if (here < limit || here >= ReadTeb(kTebStackBase)) return;
    const uintptr_t end = here - bytes;
    for (uintptr_t page = limit - kPageSize; page >= end && IsCommitted(page); page -= kPageSize) {
        static_cast<void>(*reinterpret_cast<const volatile char*>(page));
    }
}

}  // namespace strata::os
