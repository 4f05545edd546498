#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "os/stack.h"
#include "os/windows/thread_exit.h"

// The linker's name for the image's first byte.
extern "C" IMAGE_DOS_HEADER __ImageBase;

namespace strata::os {

void RegisterThreadExit(void (*)(void* value) noexcept) noexcept {}

bool IsOwnCode(const void* address) noexcept {
    const auto base = reinterpret_cast<uintptr_t>(&__ImageBase);
    const auto* const headers = reinterpret_cast<const IMAGE_NT_HEADERS64*>(
        base + static_cast<uint32_t>(__ImageBase.e_lfanew));
    return reinterpret_cast<uintptr_t>(address) - base < headers->OptionalHeader.SizeOfImage;
}

}  // namespace strata::os
