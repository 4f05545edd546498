// malloc and its family for LD_PRELOAD: puts Linux programs on Strata, so that they can exercise
// the code that ships on Windows. Each function answers as glibc's does, errno included
// (tests/preload compares them), since that is what Linux programs were written for.
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
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

// An alignment that is no power of two is taken for the next one. Until glibc 2.37 that holds for
// aligned_alloc, too; from 2.38 on, EINVAL is its answer.
void* Aligned(size_t alignment, size_t size) noexcept {
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return nullptr;
    }
    return strata_aligned_alloc(std::bit_ceil(alignment), size);
}

// glibc frees here; programs rely on it.
void* Resized(void* block, size_t size) noexcept {
    if (block != nullptr && size == 0) {
        strata_free(block);
        return nullptr;
    }
    return strata_realloc(block, size);
}

void* OutOfMemory() noexcept {
    errno = ENOMEM;
    return nullptr;
}

}  // namespace

#define PRELOAD extern "C" __attribute__((visibility("default")))

PRELOAD void* malloc(size_t size) noexcept { return strata_malloc(size); }
PRELOAD void free(void* block) noexcept { strata_free(block); }
PRELOAD void cfree(void* block) noexcept { strata_free(block); }
PRELOAD void* calloc(size_t count, size_t size) noexcept { return strata_calloc(count, size); }
PRELOAD void* realloc(void* block, size_t size) noexcept { return Resized(block, size); }
PRELOAD void* reallocarray(void* block, size_t count, size_t size) noexcept {
    size_t bytes;
    return strata::MultiplySizes(count, size, bytes) ? Resized(block, bytes) : OutOfMemory();
}
PRELOAD void* memalign(size_t alignment, size_t size) noexcept { return Aligned(alignment, size); }
PRELOAD void* aligned_alloc(size_t alignment, size_t size) noexcept {
    return Aligned(alignment, size);
}
PRELOAD void* valloc(size_t size) noexcept { return Aligned(strata::kPageSize, size); }
PRELOAD void* pvalloc(size_t size) noexcept {
    if (size > strata::kMaxRequest) return OutOfMemory();  // rounding it up could overflow
    return Aligned(strata::kPageSize, strata::RoundUp(size, strata::kPageSize));
}
// errno is indeterminate after it (posix_memalign(3)); as with glibc's, ENOMEM stands there, and
// EINVAL does not.
PRELOAD int posix_memalign(void** result, size_t alignment, size_t size) noexcept {
    if (alignment % sizeof(void*) != 0 || !strata::IsPowerOfTwo(alignment)) return EINVAL;
    void* const block = Aligned(alignment, size);
    if (block == nullptr) return ENOMEM;
    *result = block;
    return 0;
}
PRELOAD size_t malloc_usable_size(void* block) noexcept { return strata_usable_size(block); }
