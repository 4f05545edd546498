/* Every function of malloc(3) and posix_memalign(3), at the edges of its arguments: what it returns,
   whether the result is aligned and as large as it was asked for, and what it does to errno. It
   prints no address and no usable size, so that two allocators that keep the same promises print
   the same. preload_test.py runs it on glibc's and on Strata's.

   Strata answers as glibc 2.36 (Debian 12) does. Where other versions answer otherwise, it says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t kSizes[] = {
    0,
    1,
    24,
    4095,
    4096,
    4097,
    100000,
    1000000,
    40000000,
    PTRDIFF_MAX,
    PTRDIFF_MAX - 4096u,
    PTRDIFF_MAX + (size_t)1,
    SIZE_MAX / 2 + 4097,
    SIZE_MAX - 8191,
    SIZE_MAX - 4096,
    SIZE_MAX - 4095,
    SIZE_MAX - 4094,
    SIZE_MAX - 15,
    SIZE_MAX - 1,
    SIZE_MAX,
};
static const size_t kAlignments[] = {
    0,    1,    2,    3,     4,       7,           8,                12,
    15,   16,   17,   24,    31,      32,          48,               64,
    4095, 4096, 4097, 65536, 1000000, 1024 * 2048, SIZE_MAX / 4 + 1, SIZE_MAX / 2 - 1,
    SIZE_MAX / 2,     SIZE_MAX / 2 + 1,            SIZE_MAX / 2 + 2, SIZE_MAX,
};
enum { kNoAlignment = 16, kUntouched = EDOM };
/* Whether there is room for something between these depends on the machine. */
static const size_t kMostBytes = (size_t)1 << 27, kLeastTooMany = (size_t)1 << 47;
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The alignment a block has to have: glibc takes the next power of two, and 16 at least. */
static size_t Wanted(size_t alignment) {
    size_t wanted = kNoAlignment;
    while (wanted < alignment && wanted <= SIZE_MAX / 4) wanted *= 2;
    return wanted;
}

/* Says what a call has returned, and frees it. */
static void Say(void* block, size_t alignment, size_t size) {
    const int error = errno;
    if (block == NULL) {
        printf("NULL, errno %d\n", error);
        return;
    }
    const size_t usable = malloc_usable_size(block);
    printf("a block, errno %d%s%s\n", error, usable >= size ? "" : ", TOO SMALL",
           (uintptr_t)block % Wanted(alignment) == 0 ? "" : ", NOT ALIGNED");
    if (size <= 100000) memset(block, 0xA5, usable);
    errno = kUntouched;
    free(block);
    if (errno != kUntouched) printf("  free sets errno to %d\n", errno);
}

static void Plain(size_t size) {
    errno = kUntouched;
    printf("malloc(%zu): ", size);
    Say(malloc(size), kNoAlignment, size);
    errno = kUntouched;
    printf("valloc(%zu): ", size);
    Say(valloc(size), 4096, size);
    errno = kUntouched;
    printf("pvalloc(%zu): ", size);
    void* const block = pvalloc(size);
    const size_t whole_pages = (size + 4095) / 4096 * 4096;
    if (block != NULL && malloc_usable_size(block) < whole_pages) printf("NOT WHOLE PAGES, ");
    Say(block, 4096, size);
    errno = kUntouched;
    printf("realloc(NULL, %zu): ", size);
    Say(realloc(NULL, size), kNoAlignment, size);
}

static void Aligned(size_t alignment, size_t size) {
    errno = kUntouched;
    printf("memalign(%zu, %zu): ", alignment, size);
    Say(memalign(alignment, size), alignment, size);
    /* Until glibc 2.37 the same as memalign; from 2.38 on EINVAL for what is no power of two. */
    if (!__GLIBC_PREREQ(2, 38) || (alignment != 0 && (alignment & (alignment - 1)) == 0)) {
        errno = kUntouched;
        printf("aligned_alloc(%zu, %zu): ", alignment, size);
        Say(aligned_alloc(alignment, size), alignment, size);
    }
    /* errno is indeterminate after this one (posix_memalign(3)); glibc leaves ENOMEM there, but not
       EINVAL. */
    void* block = (void*)&block;
    errno = kUntouched;
    printf("posix_memalign(%zu, %zu): ", alignment, size);
    const int result = posix_memalign(&block, alignment, size);
    printf("%d, %s", result, block == (void*)&block ? "untouched, " : "");
    if (result != 0) block = NULL;
    Say(block, alignment, size);
}

/* Products: that fit, that are 0, that are too large, that overflow. */
static void Arrays(size_t count, size_t size) {
    const size_t bytes = count * size;
    const int fits = size == 0 || bytes / size == count;
    if (fits && bytes > kMostBytes && bytes <= kLeastTooMany) return;
    errno = kUntouched;
    printf("calloc(%zu, %zu): ", count, size);
    char* const zeroed = calloc(count, size);
    for (size_t i = 0; zeroed != NULL && fits && i < bytes; ++i) {
        if (zeroed[i] != 0) {
            printf("NOT ZERO, ");
            break;
        }
    }
    Say(zeroed, kNoAlignment, bytes);
    errno = kUntouched;
    printf("reallocarray(NULL, %zu, %zu): ", count, size);
    Say(reallocarray(NULL, count, size), kNoAlignment, bytes);

    char* const old = malloc(100);
    memset(old, 7, 100);
    errno = kUntouched;
    printf("reallocarray(block, %zu, %zu): ", count, size);
    char* const block = reallocarray(old, count, size);
    const int error = errno;
    /* A product of 0 frees the block, as realloc does with 0 bytes. (Every glibc so far; POSIX also
       allows a block of 0 bytes, and C23 leaves it undefined.) Any other NULL leaves it alone. */
    const int freed = block != NULL || (fits && bytes == 0);
    const char* const kept = block != NULL ? block : freed ? NULL : old;
    const size_t length = block != NULL && bytes < 100 ? bytes : 100;
    for (size_t i = 0; kept != NULL && i < length; ++i) {
        if (kept[i] != 7) {
            printf("CHANGED, ");
            break;
        }
    }
    errno = error;
    Say(block, kNoAlignment, bytes);
    if (!freed) free(old);
}

static void Resize(size_t from, size_t size) {
    char* const old = malloc(from);
    memset(old, 7, from);
    errno = kUntouched;
    printf("realloc(%zu bytes, %zu): ", from, size);
    char* const block = realloc(old, size);
    const int error = errno;
    const char* const kept = block != NULL ? block : size == 0 ? NULL : old;
    const size_t length = block != NULL && size < from ? size : from;
    for (size_t i = 0; kept != NULL && i < length; ++i) {
        if (kept[i] != 7) {
            printf("CHANGED, ");
            break;
        }
    }
    errno = error;
    Say(block, kNoAlignment, size);
    if (block == NULL && size != 0) free(old);
}

int main(void) {
    static const size_t kCounts[] = {
        0, 1, 8, 3000, (size_t)1 << 32, PTRDIFF_MAX, SIZE_MAX / 8 + 1, SIZE_MAX};
    static const size_t kFrom[] = {0, 1, 100, 5000, 200000};
    for (size_t i = 0; i < COUNT(kSizes); ++i) Plain(kSizes[i]);
    for (size_t i = 0; i < COUNT(kAlignments); ++i) {
        for (size_t j = 0; j < COUNT(kSizes); ++j) Aligned(kAlignments[i], kSizes[j]);
    }
    for (size_t i = 0; i < COUNT(kCounts); ++i) {
        for (size_t j = 0; j < COUNT(kCounts); ++j) Arrays(kCounts[i], kCounts[j]);
    }
    for (size_t i = 0; i < COUNT(kFrom); ++i) {
        for (size_t j = 0; j < COUNT(kSizes); ++j) Resize(kFrom[i], kSizes[j]);
    }
    errno = kUntouched;
    free(NULL);
    printf("free(NULL): errno %d\n", errno);
    printf("malloc_usable_size(NULL): %zu, errno %d\n", malloc_usable_size(NULL), errno);
    return 0;
}
