#include <windows.h>

#include "support/probe.h"

namespace strata::test {

namespace {

// Asked of the books, not by a copy: ReadProcessMemory under Wine reads pages that are not
// accessible, and WriteProcessMemory makes read-only ones writable for its purpose.
DWORD ProtectionOf(const void* address) noexcept {
    MEMORY_BASIC_INFORMATION info;
    if (VirtualQuery(address, &info, sizeof info) == 0 || info.State != MEM_COMMIT) {
        return PAGE_NOACCESS;
    }
    return info.Protect;
}

}  // namespace

bool CanRead(const void* address) noexcept {
    const DWORD protection = ProtectionOf(address);
    return protection != PAGE_NOACCESS && (protection & PAGE_GUARD) == 0;
}

bool CanWrite(void* address) noexcept {
    const DWORD protection = ProtectionOf(address);
    return protection == PAGE_READWRITE || protection == PAGE_EXECUTE_READWRITE ||
           protection == PAGE_WRITECOPY;
}

}  // namespace strata::test
