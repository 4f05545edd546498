// What every redirected entry point looks at first. Written once, before the first redirect.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/heap.h"
#include "override/heap_map.h"
#include "override/module_image.h"

namespace strata::override {

// What RtlAllocateHeap may be asked for here: HEAP_SETTABLE_USER_VALUE and the settable flags
// (0xF00) among them, with which Global and Local handles mark their blocks.
// HEAP_TAIL_CHECKING_ENABLED, HEAP_FREE_CHECKING_ENABLED and HEAP_DISABLE_COALESCE_ON_FREE (0xE0)
// are about the mechanism. Heap classes are the original's.
inline constexpr uint32_t kBlockFlags = 0x10FFF;
// HEAP_TAG_MASK, and HEAP_CREATE_ENABLE_TRACING (winnt.h): names for tools. Programs pass them
// whether heap tagging is on (GFlags) or not.
inline constexpr uint32_t kTagFlags = 0x3FFE0000;
inline constexpr uint32_t kAllocateFlags = kBlockFlags | kTagFlags;

inline constexpr size_t kMaxHotpatches = 4;

struct HeapContext {
    const void* process_handle = nullptr;  // the system's process heap, PEB::ProcessHeap
    heap::Heap* process_heap = nullptr;    // ours, its companion
    uint32_t check_flags = 0;              // checks that the process asks for all of its heaps
    // Flags with which RtlAllocateHeap's requests go to the original.
    uint32_t original_flags = ~kAllocateFlags;
    uintptr_t ntdll_begin = 0;
    uintptr_t ntdll_bytes = 0;
    // Where more of ntdll's code lies, once it was patched while it ran.
    ModuleImage hotpatches[kMaxHotpatches] = {};
    size_t hotpatch_count = 0;
};

extern constinit HeapContext g_context;
extern constinit HeapMap g_heap_map;  // all heaps but the process heap

inline bool IsInNtdllImage(const void* address) noexcept {
    return reinterpret_cast<uintptr_t>(address) - g_context.ntdll_begin < g_context.ntdll_bytes;
}
bool IsInHotpatch(const void* address) noexcept;

inline bool IsInNtdll(const void* address) noexcept {
    return IsInNtdllImage(address) || (g_context.hotpatch_count != 0 && IsInHotpatch(address));
}

// False when there are too many. Before the first redirect.
bool AddNtdllPart(const ModuleImage& hotpatch) noexcept;

// Our heap behind a handle, or nullptr.
inline heap::Heap* HeapOf(const void* handle) noexcept {
    if (handle == g_context.process_handle) return g_context.process_heap;
    return g_heap_map.Find(handle);
}

}  // namespace strata::override
