// A program linked with strata::malloc meets a block of the C runtime's for the first time, in a
// thread that holds a lock for which DllMain waits. The runtime's function for it must be known
// already: to find it takes the loader's lock, which no function of a heap's takes otherwise.
#include <windows.h>

#include <malloc.h>

#include <cstdio>

#include "cases.h"

namespace {

CRITICAL_SECTION g_section;
HANDLE g_go = nullptr;
HANDLE g_inside = nullptr;
void* g_block = nullptr;
size_t volatile g_size = 0;

DWORD WINAPI Worker(void*) {
    EnterCriticalSection(&g_section);
    SetEvent(g_inside);
    WaitForSingleObject(g_go, INFINITE);
    g_size = _msize(g_block);
    LeaveCriticalSection(&g_section);
    return 0;
}

int WaitForWorker() {
    SetEvent(g_go);
    EnterCriticalSection(&g_section);
    LeaveCriticalSection(&g_section);
    return 1;
}

}  // namespace

namespace strata::first_call {

int RuntimeBlock() { return RunLimited(L"in_runtime_block"); }

int InRuntimeBlock() {
    const HMODULE runtime = GetModuleHandleW(L"msvcrt.dll");
    const auto allocate =
        reinterpret_cast<void* (*)(size_t)>(reinterpret_cast<void*>(GetProcAddress(
            runtime != nullptr ? runtime : GetModuleHandleW(L"ucrtbase.dll"), "malloc")));
    if (allocate == nullptr) return 1;
    g_block = allocate(123);
    InitializeCriticalSection(&g_section);
    g_go = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    g_inside = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    g_in_dll_main = WaitForWorker;
    const HANDLE worker = CreateThread(nullptr, 0, Worker, nullptr, 0, nullptr);
    WaitForSingleObject(g_inside, INFINITE);
    const bool loaded = LoadLibraryW(L"strata_first_call_library.dll") != nullptr;
    WaitForSingleObject(worker, INFINITE);
    CloseHandle(worker);
    std::printf("loaded: %d, size: %zu\n", loaded, g_size);
    return loaded && g_size == 123 ? 0 : 1;
}

}  // namespace strata::first_call
