// Threads that keep the allocator busy in all its parts, without the C runtime's heap.
#pragma once

#include <windows.h>

#include <strata/strata.h>

#include <cstdint>

namespace strata::life {

// Blocks that threads leave for each other.
inline void* volatile g_table[64];

// Allocates, frees, resizes, of all kinds, its own and others' blocks, with heaps that come and go.
inline void DoWork(uint64_t& state, bool purges = true) {
    const auto next = [&](uint32_t bound) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<uint32_t>(state >> 33) % bound;
    };
    void* volatile& place = g_table[next(64)];
    void* const old = InterlockedExchangePointer(&place, nullptr);
    const uint32_t kind = next(100);
    const size_t bytes = kind < 70 ? next(400) : kind < 95 ? next(20'000) : next(900'000);
    if (old != nullptr && kind % 4 == 0) {
        void* const resized = strata_realloc(old, bytes);
        strata_free(InterlockedExchangePointer(&place, resized));
        return;
    }
    strata_free(old);
    strata_free(InterlockedExchangePointer(&place, strata_malloc(bytes)));
    if (next(200) == 0) {
        strata_heap* const heap = strata_heap_create();
        for (int i = 0; i < 80; ++i) strata_free(strata_heap_malloc(heap, bytes));
        strata_heap_malloc(heap, bytes);
        strata_heap_destroy(heap);
    }
    if (purges && next(300) == 0) strata_purge();
}

// Threads that have come to their work: before that, the loader's locks are in their hands.
inline LONG volatile g_working = 0;

inline DWORD WINAPI WorkForEver(void* seed) {
    uint64_t state = reinterpret_cast<uintptr_t>(seed);
    InterlockedIncrement(&g_working);
    const bool purges = (reinterpret_cast<uintptr_t>(seed) & 1) != 0;
    for (;;) DoWork(state, purges);
    return 0;
}

inline HANDLE StartWorker(uint32_t seed) {
    return CreateThread(nullptr, 0, WorkForEver, reinterpret_cast<void*>(uintptr_t{seed} + 1), 0,
                        nullptr);
}

// The same, when it has begun.
inline HANDLE StartedWorker(uint32_t seed) {
    const LONG before = g_working;
    const HANDLE worker = StartWorker(seed);
    while (g_working == before) Sleep(1);
    return worker;
}

}  // namespace strata::life
