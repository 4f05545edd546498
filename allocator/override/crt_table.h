// The C runtimes whose allocation functions are redirected, and what of each is known.
//
// This is for speed alone: every C runtime comes to Strata through HeapAlloc and HeapFree anyway.
// So what is redirected does the plain case only, and only in the heap that the runtime itself
// allocates from: the blocks are the very blocks that the original function would have returned.
// Every other case (a size of 0, a foreign block, no memory, a size that overflows) is the
// original's: it knows its errno, its new handler and its invalid parameter handler.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "heap/heap.h"
#include "override/module_image.h"

namespace strata::override {

// By meaning, not by name: functions of one kind can stand in for each other.
enum class CrtKind : uint8_t {
    kMalloc,
    kCalloc,
    kRealloc,
    kFree,
    kMsize,
    kRecalloc,
    kExpand,
    kNew,  // as malloc, but it throws
    kCount,
};
inline constexpr size_t kCrtKinds = static_cast<size_t>(CrtKind::kCount);
constexpr size_t Index(CrtKind kind) noexcept { return static_cast<size_t>(kind); }

// For statistics.
inline constexpr const char* kCrtKindNames[kCrtKinds] = {
    "malloc", "calloc", "realloc", "free", "_msize", "_recalloc", "_expand", "operator new",
};

struct CrtFunction {
    const char* name;
    CrtKind kind;
    // Without these a runtime is left alone. The others are skipped where they are missing or
    // cannot be redirected: as they are, they end in the former, or in HeapAlloc.
    bool needed;
};

// The _base functions are what other modules are compiled to call beside the usual ones, the _o_
// functions what parts of Windows import instead. _aligned_malloc and its kin call malloc and free
// (see the architecture decision on C runtimes).
inline constexpr CrtFunction kCrtFunctions[] = {
    {"malloc", CrtKind::kMalloc, true},
    {"calloc", CrtKind::kCalloc, true},
    {"realloc", CrtKind::kRealloc, true},
    {"free", CrtKind::kFree, true},
    {"_msize", CrtKind::kMsize, true},
    {"_recalloc", CrtKind::kRecalloc, false},
    {"_expand", CrtKind::kExpand, false},
    {"_malloc_base", CrtKind::kMalloc, false},
    {"_calloc_base", CrtKind::kCalloc, false},
    {"_realloc_base", CrtKind::kRealloc, false},
    {"_free_base", CrtKind::kFree, false},
    {"_msize_base", CrtKind::kMsize, false},
    {"_recalloc_base", CrtKind::kRecalloc, false},
    {"_expand_base", CrtKind::kExpand, false},
    {"_o_malloc", CrtKind::kMalloc, false},
    {"_o_calloc", CrtKind::kCalloc, false},
    {"_o_realloc", CrtKind::kRealloc, false},
    {"_o_free", CrtKind::kFree, false},
    {"_o__msize", CrtKind::kMsize, false},
    {"_o__recalloc", CrtKind::kRecalloc, false},
    {"_o__expand", CrtKind::kExpand, false},
    {"_o__malloc_base", CrtKind::kMalloc, false},
    {"_o__calloc_base", CrtKind::kCalloc, false},
    {"_o__realloc_base", CrtKind::kRealloc, false},
    {"_o__free_base", CrtKind::kFree, false},
    {"_o__msize_base", CrtKind::kMsize, false},
    {"_o__recalloc_base", CrtKind::kRecalloc, false},
    {"_o__expand_base", CrtKind::kExpand, false},
    {"??2@YAPEAX_K@Z", CrtKind::kNew, false},   // operator new(size_t)
    {"??_U@YAPEAX_K@Z", CrtKind::kNew, false},  // operator new[](size_t)
    {"??3@YAXPEAX@Z", CrtKind::kFree, false},   // operator delete(void*)
    {"??_V@YAXPEAX@Z", CrtKind::kFree, false},  // operator delete[](void*)
};
inline constexpr size_t kCrtFunctionCount = sizeof kCrtFunctions / sizeof kCrtFunctions[0];

inline constexpr const char* kCrtNames[] = {"msvcrt.dll", "ucrtbase.dll"};
inline constexpr size_t kCrtCount = sizeof kCrtNames / sizeof kCrtNames[0];

struct Crt {
    // What it allocates from; nullptr as long as that is not known.
    std::atomic<heap::Heap*> heap{nullptr};
    // It allocates from somewhere else: not to be asked again.
    std::atomic<bool> elsewhere{false};
    // Trampolines: the functions as they were.
    void* originals[kCrtKinds] = {};
    void* get_heap_handle = nullptr;
};

extern constinit Crt g_crts[kCrtCount];

// What functions of a kind lead to, for one runtime.
const void* CrtReplacement(size_t crt, CrtKind kind, bool counting) noexcept;

// Asks a runtime for its heap by _get_heap_handle: ours behind it, or nullptr. `known`: it has one.
heap::Heap* HeapOfCrt(const Crt& crt, bool& known) noexcept;

}  // namespace strata::override
