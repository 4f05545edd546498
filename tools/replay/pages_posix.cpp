#include <sys/mman.h>

#include "replay/pages.h"

namespace strata::replay {

void* ReservePages(size_t bytes) {
    void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) throw std::bad_alloc();
    return address;
}

void CommitPages(void*, size_t) {}  // there from the start, as soon as it is touched

void ReleasePages(void* address, size_t bytes) { munmap(address, bytes); }

}  // namespace strata::replay
