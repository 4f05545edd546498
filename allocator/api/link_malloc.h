// malloc and its kin as Microsoft documents them, served by Strata: what link_symbols_windows.cpp
// gives the names of the C runtime, for programs that replace them when they are linked.
//
// All of them: sizes in bytes; blocks aligned to 16 unless said otherwise; any thread, any time;
// errno and the last error are untouched on success. Failures set errno: ENOMEM, or EINVAL where
// Microsoft's functions call the invalid parameter handler (which these do not).
//
// Blocks of the C runtime itself (what _fullpath or _getcwd return, blocks of DLLs that share it)
// may be given to all of them: they stay the runtime's.
#pragma once

#include <stddef.h>

extern "C" {

// A size of 0 gives a block of 0 bytes. When _set_new_mode(1) was called, the new handler is asked.
void* StrataLinkMalloc(size_t bytes) noexcept(false);
void* StrataLinkCalloc(size_t count, size_t size) noexcept(false);
// `bytes` 0 frees a block and returns null; no block at all: malloc.
void* StrataLinkRealloc(void* block, size_t bytes) noexcept(false);
// realloc that zeroes what is new, counted from the exact old size.
void* StrataLinkRecalloc(void* block, size_t count, size_t size) noexcept(false);
// In place, or null.
void* StrataLinkExpand(void* block, size_t bytes) noexcept;
void StrataLinkFree(void* block) noexcept;
// The requested size; (size_t)-1 for a null pointer.
size_t StrataLinkMsize(void* block) noexcept;

// `alignment`: a power of two. Address + offset is a multiple of it. An offset of 0 is
// _aligned_malloc; any other must be below the size. Such blocks belong to the functions of this
// group alone.
void* StrataLinkAlignedMalloc(size_t bytes, size_t alignment, size_t offset) noexcept(false);
void* StrataLinkAlignedRealloc(void* block, size_t bytes, size_t alignment,
                               size_t offset) noexcept(false);
void* StrataLinkAlignedRecalloc(void* block, size_t count, size_t size, size_t alignment,
                                size_t offset) noexcept(false);
void StrataLinkAlignedFree(void* block) noexcept;
size_t StrataLinkAlignedMsize(void* block, size_t alignment, size_t offset) noexcept;

// Copies of a text, to be freed with free; a null pointer gives one.
char* StrataLinkStrdup(const char* text) noexcept(false);
wchar_t* StrataLinkWcsdup(const wchar_t* text) noexcept(false);

}  // extern "C"
