// A DLL that allocates from strata.dll in its DllMain, each time it is called, and frees what it
// holds when it ends. A failure ends the process with code 3.
#include <windows.h>

#include <atomic>

#include <strata/strata.h>

namespace {

constinit std::atomic<int> g_calls[4] = {};
constinit std::atomic<int> g_wrong{0};
constinit void* g_held[64] = {};

void Use() {
    void* const block = strata_calloc(10, 300);
    if (block == nullptr || strata_requested_size(block) != 3000) ++g_wrong;
    void* const larger = strata_realloc(block, 90'000);
    if (larger == nullptr) ++g_wrong;
    strata_free(larger);
    strata_heap* const heap = strata_heap_create();
    if (strata_heap_malloc(heap, 200'000) == nullptr) ++g_wrong;
    strata_heap_destroy(heap);
}

}  // namespace

extern "C" {

// How often DllMain was called for this; -1: what went wrong.
__declspec(dllexport) int LifeCount(int reason) {
    return reason < 0 ? g_wrong.load() : g_calls[reason & 3].load();
}

__declspec(dllexport) void LifeWork(int rounds) {
    for (int i = 0; i < rounds; ++i) {
        void*& place = g_held[i % 64];
        const size_t bytes = static_cast<size_t>(i) * 37 % 30'000;
        void* const old = InterlockedExchangePointer(&place, strata_malloc(bytes));
        strata_free(old);
        if (i % 50 == 0) Use();
    }
}

BOOL WINAPI DllMain(HINSTANCE, DWORD reason, void*) {
    ++g_calls[reason & 3];
    Use();
    if (reason == DLL_PROCESS_DETACH) {
        for (void*& block : g_held) strata_free(InterlockedExchangePointer(&block, nullptr));
        strata_purge();
        if (g_wrong != 0) TerminateProcess(GetCurrentProcess(), 3);
    }
    return TRUE;
}

}  // extern "C"
