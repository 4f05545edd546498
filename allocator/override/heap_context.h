// What every redirected entry point looks at first. Written once, before the first redirect.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/heap.h"
#include "override/heap_map.h"

namespace strata::override {

struct HeapContext {
    const void* process_handle = nullptr;  // the system's process heap, PEB::ProcessHeap
    heap::Heap* process_heap = nullptr;    // ours, its companion
    uint32_t check_flags = 0;              // checks that the process asks for all of its heaps
    uintptr_t ntdll_begin = 0;
    uintptr_t ntdll_bytes = 0;
};

extern constinit HeapContext g_context;
extern constinit HeapMap g_heap_map;  // all heaps but the process heap

inline bool IsInNtdll(const void* address) noexcept {
    return reinterpret_cast<uintptr_t>(address) - g_context.ntdll_begin < g_context.ntdll_bytes;
}

// Our heap behind a handle, or nullptr.
inline heap::Heap* HeapOf(const void* handle) noexcept {
    if (handle == g_context.process_handle) return g_context.process_heap;
    return g_heap_map.Find(handle);
}

}  // namespace strata::override
