/* Strata's malloc-style interface. Plain C; 64-bit only.
 *
 * What holds for every function here, unless its comment says otherwise:
 *  - sizes and offsets are in bytes;
 *  - a block is aligned to 16 bytes;
 *  - a request that cannot be met returns NULL (and sets errno to ENOMEM in the POSIX build,
 *    the last error to ERROR_NOT_ENOUGH_MEMORY on Windows); nothing else changes;
 *  - on success neither errno nor the last error is touched;
 *  - any thread may call it at any time, on blocks of any thread;
 *  - a pointer that is not the start of a live Strata block (freed twice, interior, foreign) ends
 *    the process with a one-line message on standard error: see docs/security.md.
 */
#ifndef STRATA_STRATA_H
#define STRATA_STRATA_H

#include <strata/export.h>
#include <strata/version.h>

STRATA_EXTERN_C_BEGIN

/* ---- blocks ---------------------------------------------------------------------------------- */

/* A block of `size` bytes, contents unspecified. `size` 0 gives a distinct block of 0 bytes.
   Errors: NULL when memory is exhausted or `size` exceeds PTRDIFF_MAX. */
STRATA_API void* strata_malloc(size_t size) STRATA_NOEXCEPT;

/* A block of `count * size` zero bytes. Errors: NULL, also when the product overflows. */
STRATA_API void* strata_calloc(size_t count, size_t size) STRATA_NOEXCEPT;

/* Changes the size of `block` to `size`. All bytes up to the smaller of strata_usable_size(block) and
   `size` are kept. The block moves when it must, and when it becomes so much smaller that a block of its
   own size saves a quarter of it and 16 KiB. NULL `block`: as strata_malloc. `size` 0 keeps a block of
   0 bytes (it is not a free). Errors: NULL, and `block` is as it was. */
STRATA_API void* strata_realloc(void* block, size_t size) STRATA_NOEXCEPT;

/* strata_realloc to `count * size`; NULL when the product overflows. */
STRATA_API void* strata_reallocarray(void* block, size_t count, size_t size) STRATA_NOEXCEPT;

/* strata_reallocarray that zeroes every byte past the old requested size (as _recalloc): what was
   written between that and the usable size is lost. A block that becomes smaller does not move. */
STRATA_API void* strata_recalloc(void* block, size_t count, size_t size) STRATA_NOEXCEPT;

/* Resizes `block` without moving it (as _expand). Errors: NULL when it cannot be done in place. */
STRATA_API void* strata_expand(void* block, size_t size) STRATA_NOEXCEPT;

/* Gives `block` back. NULL is allowed and does nothing. Preserves errno and the last error. */
STRATA_API void strata_free(void* block) STRATA_NOEXCEPT;

/* strata_free that also checks that `size` is the requested size of the block; a mismatch ends the
   process with a message. For sized operator delete. */
STRATA_API void strata_free_sized(void* block, size_t size) STRATA_NOEXCEPT;

/* A block of `size` bytes at a multiple of `alignment`, which is any power of two (values under 16
   give 16). Free it with strata_free; resize it with strata_aligned_realloc to keep the alignment.
   Errors: NULL; an `alignment` that is not a power of two also sets EINVAL /
   ERROR_INVALID_PARAMETER. */
STRATA_API void* strata_aligned_alloc(size_t alignment, size_t size) STRATA_NOEXCEPT;

/* strata_realloc that keeps `alignment`. */
STRATA_API void* strata_aligned_realloc(void* block, size_t alignment, size_t size) STRATA_NOEXCEPT;

/* The bytes of `block` that the caller may write: at least the requested size, fixed while the
   block is neither resized nor freed. What is written there survives strata_realloc and its like; not
   strata_recalloc and HeapReAlloc, which go by the requested size. NULL: 0. */
STRATA_API size_t strata_usable_size(const void* block) STRATA_NOEXCEPT;

/* The exact number of bytes last asked for. NULL: 0. */
STRATA_API size_t strata_requested_size(const void* block) STRATA_NOEXCEPT;

/* The usable size that strata_malloc(size) gives at least: exactly that of sizes that are asked for often, up to a
   quarter more of others. 0 when it would fail for its size alone. */
STRATA_API size_t strata_good_size(size_t size) STRATA_NOEXCEPT;

/* 1 when `pointer` is the start of a live Strata block, else 0. Accepts any value whatever. */
STRATA_API int strata_owns(const void* pointer) STRATA_NOEXCEPT;

/* Copies of a string, to be freed with strata_free. NULL `text` gives NULL. */
STRATA_API char* strata_strdup(const char* text) STRATA_NOEXCEPT;
STRATA_API char* strata_strndup(const char* text, size_t limit) STRATA_NOEXCEPT;
STRATA_API wchar_t* strata_wcsdup(const wchar_t* text) STRATA_NOEXCEPT;

/* ---- heaps ------------------------------------------------------------------------------------ */

typedef struct strata_heap strata_heap;

/* A new, empty heap. Errors: NULL. */
STRATA_API strata_heap* strata_heap_create(void) STRATA_NOEXCEPT;

/* Frees every block of `heap`, whichever threads allocated them, and the heap. No thread may be
   using the heap. The process heap cannot be destroyed: the call does nothing then. */
STRATA_API void strata_heap_destroy(strata_heap* heap) STRATA_NOEXCEPT;

/* The heap that strata_malloc uses. */
STRATA_API strata_heap* strata_heap_process(void) STRATA_NOEXCEPT;

/* As their namesakes above, from `heap`. Any of these blocks may be given to strata_free. */
STRATA_API void* strata_heap_malloc(strata_heap* heap, size_t size) STRATA_NOEXCEPT;
STRATA_API void* strata_heap_calloc(strata_heap* heap, size_t count, size_t size) STRATA_NOEXCEPT;
STRATA_API void* strata_heap_realloc(strata_heap* heap, void* block, size_t size) STRATA_NOEXCEPT;
STRATA_API void* strata_heap_aligned_alloc(strata_heap* heap, size_t alignment,
                                           size_t size) STRATA_NOEXCEPT;

/* Gives `block` back to `heap`; a block of another heap ends the process with a message. */
STRATA_API void strata_heap_free(strata_heap* heap, void* block) STRATA_NOEXCEPT;

/* The heap a live block belongs to; NULL when `block` is not one. */
STRATA_API strata_heap* strata_heap_of(const void* block) STRATA_NOEXCEPT;

/* 1 when every slab and large run of `heap` is consistent, else 0. */
STRATA_API int strata_heap_validate(strata_heap* heap) STRATA_NOEXCEPT;

/* ---- memory ------------------------------------------------------------------------------------ */

/* Hands the calling thread's magazines in, and decommits all memory that holds no block now,
   without waiting for its decay. */
STRATA_API void strata_purge(void) STRATA_NOEXCEPT;

/* What the whole process uses now. Sizes in bytes. */
typedef struct strata_statistics {
    size_t struct_size;    /* set it to sizeof(strata_statistics) before the call */
    size_t reserved;       /* address space reserved, metadata included */
    size_t committed;      /* commit charge, metadata included */
    size_t peak_committed; /* the highest value of `committed` so far */
    size_t metadata;       /* the part of `committed` that is metadata */
    size_t live_blocks;    /* blocks allocated and not freed, in all heaps */
    size_t live_bytes;     /* their requested sizes */
    size_t heaps;          /* heaps alive, the process heap included */
    size_t arenas;         /* arenas reserved */
    size_t commit_calls;   /* calls to the system so far, failed ones included */
    size_t decommit_calls;
    size_t reserve_calls;
    size_t release_calls;
} strata_statistics;

/* Fills `statistics` as far as its struct_size reaches. Visits every slab: not for hot paths.
   Other threads may go on; the figures are then a snapshot of no single instant.
   Returns 1, or 0 when struct_size is too small to hold anything. */
STRATA_API int strata_get_statistics(strata_statistics* statistics) STRATA_NOEXCEPT;

/* The same, with a breakdown per heap and size class, as one JSON object in UTF-8, handed over in
   pieces of `length` bytes (not zero-terminated). All heaps that there are when it is called; `write` may
   allocate, and make and destroy heaps, as other threads may: one that ends meanwhile is marked.
   docs/statistics.md says what the fields mean. */
typedef void (*strata_write_fn)(void* context, const char* text, size_t length);
STRATA_API void strata_write_statistics_json(strata_write_fn write, void* context) STRATA_NOEXCEPT;

/* ---- messages -------------------------------------------------------------------------------- */

/* Receives what Strata writes to standard error: one line or several, in UTF-8, each with its end. `length` bytes,
   zero-terminated behind them. */
typedef void (*strata_report_fn)(void* context, const char* text, size_t length);

/* From now on `handler` is told as well: reports of errors, before they end the process, and complaints about
   options. NULL: nobody. It may be called on any thread, while Strata's locks are held: it may neither allocate nor
   free, nor wait for a thread that does. One for the process; set it before other threads use the heap. */
STRATA_API void strata_set_report_handler(strata_report_fn handler, void* context) STRATA_NOEXCEPT;

/* STRATA_VERSION of the library that is running. */
STRATA_API int strata_version(void) STRATA_NOEXCEPT;

STRATA_EXTERN_C_END

#endif
