// The names of the C runtime, for the linker: a program that is linked with this object gets these
// functions wherever it, or a library that is linked into it, would have got the runtime's.
//
// Each stands here twice: as the function, and as the pointer __imp_… through which code calls a
// function that its header declares as imported. With both, no object of the runtime's import
// library that defines either is ever looked at, and nothing is defined twice. The _base names are
// what Microsoft's runtime calls itself where it is linked statically.
//
// No header of the C runtime here: they declare the same names as imported.
#include "api/link_malloc.h"

#define STRATA_SYMBOL(result, name, parameters, call) \
    result name parameters { return call; }           \
    extern result(*const __imp_##name) parameters;    \
    result(*const __imp_##name) parameters = &name;

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wreserved-identifier"
#endif

extern "C" {

STRATA_SYMBOL(void*, malloc, (size_t bytes), StrataLinkMalloc(bytes))
STRATA_SYMBOL(void*, calloc, (size_t count, size_t size), StrataLinkCalloc(count, size))
STRATA_SYMBOL(void*, realloc, (void* block, size_t bytes), StrataLinkRealloc(block, bytes))
STRATA_SYMBOL(void*, _recalloc, (void* block, size_t count, size_t size),
              StrataLinkRecalloc(block, count, size))
STRATA_SYMBOL(void*, _expand, (void* block, size_t bytes), StrataLinkExpand(block, bytes))
STRATA_SYMBOL(void, free, (void* block), StrataLinkFree(block))
STRATA_SYMBOL(size_t, _msize, (void* block), StrataLinkMsize(block))

STRATA_SYMBOL(void*, _malloc_base, (size_t bytes), StrataLinkMalloc(bytes))
STRATA_SYMBOL(void*, _calloc_base, (size_t count, size_t size), StrataLinkCalloc(count, size))
STRATA_SYMBOL(void*, _realloc_base, (void* block, size_t bytes), StrataLinkRealloc(block, bytes))
STRATA_SYMBOL(void*, _recalloc_base, (void* block, size_t count, size_t size),
              StrataLinkRecalloc(block, count, size))
STRATA_SYMBOL(void*, _expand_base, (void* block, size_t bytes), StrataLinkExpand(block, bytes))
STRATA_SYMBOL(void, _free_base, (void* block), StrataLinkFree(block))
STRATA_SYMBOL(size_t, _msize_base, (void* block), StrataLinkMsize(block))

STRATA_SYMBOL(void*, _aligned_malloc, (size_t bytes, size_t alignment),
              StrataLinkAlignedMalloc(bytes, alignment, 0))
STRATA_SYMBOL(void*, _aligned_realloc, (void* block, size_t bytes, size_t alignment),
              StrataLinkAlignedRealloc(block, bytes, alignment, 0))
STRATA_SYMBOL(void*, _aligned_recalloc, (void* block, size_t count, size_t size, size_t alignment),
              StrataLinkAlignedRecalloc(block, count, size, alignment, 0))
STRATA_SYMBOL(void*, _aligned_offset_malloc, (size_t bytes, size_t alignment, size_t offset),
              StrataLinkAlignedMalloc(bytes, alignment, offset))
STRATA_SYMBOL(void*, _aligned_offset_realloc,
              (void* block, size_t bytes, size_t alignment, size_t offset),
              StrataLinkAlignedRealloc(block, bytes, alignment, offset))
STRATA_SYMBOL(void*, _aligned_offset_recalloc,
              (void* block, size_t count, size_t size, size_t alignment, size_t offset),
              StrataLinkAlignedRecalloc(block, count, size, alignment, offset))
STRATA_SYMBOL(void, _aligned_free, (void* block), StrataLinkAlignedFree(block))
STRATA_SYMBOL(size_t, _aligned_msize, (void* block, size_t alignment, size_t offset),
              StrataLinkAlignedMsize(block, alignment, offset))

STRATA_SYMBOL(char*, _strdup, (const char* text), StrataLinkStrdup(text))
STRATA_SYMBOL(char*, strdup, (const char* text), StrataLinkStrdup(text))
STRATA_SYMBOL(wchar_t*, _wcsdup, (const wchar_t* text), StrataLinkWcsdup(text))
STRATA_SYMBOL(wchar_t*, wcsdup, (const wchar_t* text), StrataLinkWcsdup(text))
STRATA_SYMBOL(
    unsigned char*, _mbsdup, (const unsigned char* text),
    reinterpret_cast<unsigned char*>(StrataLinkStrdup(reinterpret_cast<const char*>(text))))

}  // extern "C"
