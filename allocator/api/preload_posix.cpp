// malloc and its family for LD_PRELOAD: puts Linux programs on Strata, so that they can exercise the
// code that ships on Windows.
#include <cerrno>
#include <cstddef>
#include <pthread.h>
#include <strata/strata.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/constants.h"
#include "heap/heap.h"

namespace {

// A fork takes no thread along but its own: nobody else may hold a lock at that moment.
__attribute__((constructor)) void RegisterForkHandlers() {
    pthread_atfork(strata::heap::LockEverything, strata::heap::UnlockEverything,
                   strata::heap::UnlockEverythingInChild);
}

void* Aligned(size_t alignment, size_t size) noexcept {
    return strata_aligned_alloc(alignment, size);
}

}  // namespace

#define PRELOAD extern "C" __attribute__((visibility("default")))

PRELOAD void* malloc(size_t size) noexcept { return strata_malloc(size); }
PRELOAD void free(void* block) noexcept { strata_free(block); }
PRELOAD void cfree(void* block) noexcept { strata_free(block); }
PRELOAD void* calloc(size_t count, size_t size) noexcept { return strata_calloc(count, size); }
PRELOAD void* realloc(void* block, size_t size) noexcept {
    // glibc frees here; programs rely on it.
    if (block != nullptr && size == 0) {
        strata_free(block);
        return nullptr;
    }
    return strata_realloc(block, size);
}
PRELOAD void* reallocarray(void* block, size_t count, size_t size) noexcept {
    return strata_reallocarray(block, count, size);
}
PRELOAD void* memalign(size_t alignment, size_t size) noexcept { return Aligned(alignment, size); }
PRELOAD void* aligned_alloc(size_t alignment, size_t size) noexcept {
    return Aligned(alignment, size);
}
PRELOAD void* valloc(size_t size) noexcept { return Aligned(strata::kPageSize, size); }
PRELOAD void* pvalloc(size_t size) noexcept {
    return Aligned(strata::kPageSize, strata::RoundUp(size, strata::kPageSize));
}
PRELOAD int posix_memalign(void** result, size_t alignment, size_t size) noexcept {
    if (alignment % sizeof(void*) != 0 || !strata::IsPowerOfTwo(alignment)) return EINVAL;
    const int saved = errno;
    void* block = Aligned(alignment, size);
    errno = saved;
    if (block == nullptr) return ENOMEM;
    *result = block;
    return 0;
}
PRELOAD size_t malloc_usable_size(void* block) noexcept { return strata_usable_size(block); }
