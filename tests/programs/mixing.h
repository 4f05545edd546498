// The mixing matrix: blocks from every allocator of the system, given to every function that may
// legally have them. What is legal depends on which heap a C runtime allocates from, which the
// program asks it.
//
// No C++ runtime is needed but in the build that has STRATA_WITH_NEW, so that every C runtime can
// have it.
#pragma once

#include <windows.h>

#include <stddef.h>

namespace mixing {

// A C runtime by its exports; nullptr where it has no such function.
struct Runtime {
    const char* name;
    HANDLE heap;
    void* (*malloc)(size_t);
    void* (*calloc)(size_t, size_t);
    void* (*realloc)(void*, size_t);
    void (*free)(void*);
    size_t (*msize)(void*);
    void* (*recalloc)(void*, size_t, size_t);
    void* (*expand)(void*, size_t);
    void* (*malloc_base)(size_t);
    void* (*calloc_base)(size_t, size_t);
    void* (*realloc_base)(void*, size_t);
    void (*free_base)(void*);
    char* (*strdup)(const char*);
    wchar_t* (*wcsdup)(const wchar_t*);
    char* (*fullpath)(char*, const char*, size_t);
    void* (*operator_new)(size_t);
    void (*operator_delete)(void*);
    void* (*aligned_malloc)(size_t, size_t);
    void* (*aligned_offset_malloc)(size_t, size_t, size_t);
    void* (*aligned_realloc)(void*, size_t, size_t);
    void* (*aligned_recalloc)(void*, size_t, size_t, size_t);
    size_t (*aligned_msize)(void*, size_t, size_t);
    void (*aligned_free)(void*);
};

constexpr int kRuntimes = 2;
extern Runtime g_runtimes[kRuntimes];
extern HANDLE g_private_heap;

// What a block is: what it may be given to.
enum class Kind { kCrt, kNew, kOwnNew, kAligned, kHeap, kMoveable, kTask, kString };

struct Source {
    const char* name;
    const Runtime* runtime;  // nullptr: none
    Kind kind;
    HANDLE heap;  // that the block lies on; nullptr: unknown
    void* (*allocate)(const Source& source, size_t bytes);
    bool exact;  // the size is `bytes`
};

enum class Use { kFree, kResize, kSize };

// One function that blocks are given to. After a kResize or kSize the block is freed by `Free`.
struct Partner {
    const char* name;
    const Runtime* runtime;
    Use use;
    HANDLE heap;
    bool (*takes)(const Source& source, const Partner& partner);
    // kResize replaces `block` and sets `bytes` to what it asked for. False: it did the wrong
    // thing.
    bool (*apply)(const Source& source, const Partner& partner, void*& block, size_t& bytes);
};

constexpr int kMostSources = 64;
constexpr int kMostPartners = 64;

// Loads the runtimes and asks them for their heaps.
void FindRuntimes();

// Fill the arrays and return how many there are. With a new private heap, make them anew.
int MakeSources(Source* sources);
int MakePartners(Partner* partners);

// The usual way to free a block of this source.
void Free(const Source& source, void* block);

}  // namespace mixing
