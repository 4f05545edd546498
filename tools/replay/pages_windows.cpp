#include <windows.h>

#include "replay/pages.h"

namespace strata::replay {

void* ReservePages(size_t bytes) {
    void* const address = VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_READWRITE);
    if (address == nullptr) throw std::bad_alloc();
    return address;
}

void CommitPages(void* address, size_t bytes) {
    if (VirtualAlloc(address, bytes, MEM_COMMIT, PAGE_READWRITE) == nullptr) throw std::bad_alloc();
}

void ReleasePages(void* address, size_t) { VirtualFree(address, 0, MEM_RELEASE); }

}  // namespace strata::replay
