// The process's first heap call, in one thread, while another allocates under a lock of the
// system's: the loader's, as DllMain does, or the PEB's, as SetEnvironmentVariable and TlsAlloc
// may. What the first call has to ask of the system stands under these locks; so it may hold none
// of Strata's while it asks.
#include <windows.h>

#include <cstdio>

#include <strata/strata.h>

#include "cases.h"

namespace {

constexpr DWORD kHeadStart = 300;  // milliseconds: until the worker stands where the lock is

HANDLE g_go = nullptr;
bool volatile g_allocated = false;  // by the worker
bool volatile g_first = true;       // who holds the lock finds no heap yet

DWORD WINAPI Worker(void*) {
    WaitForSingleObject(g_go, INFINITE);
    void* const block = strata_malloc(100);
    g_allocated = block != nullptr;
    strata_free(block);
    return 0;
}

}  // namespace

namespace strata::first_call {

namespace {

// Under the lock: lets the worker go, and then allocates.
int Allocate() {
    SetEvent(g_go);
    Sleep(kHeadStart);
    g_first = !g_allocated;
    void* const block = strata_malloc(100);
    strata_free(block);
    return block != nullptr ? 1 : 0;
}

// With the worker waiting: `hold` calls Allocate under the lock.
int Race(bool (*hold)()) {
    const DWORD slot = TlsAlloc();
    TlsFree(slot);
    g_go = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    const HANDLE worker = CreateThread(nullptr, 0, Worker, nullptr, 0, nullptr);
    Sleep(kHeadStart);  // past the loader's part of its start
    const bool held = hold();
    WaitForSingleObject(worker, INFINITE);
    CloseHandle(worker);
    // Of two slots, that of the one who lost has been given back.
    TlsAlloc();
    TlsAlloc();
    const DWORD slots = TlsAlloc() - slot - 2;
    std::printf("held: %d, the worker allocated: %d, first: %d, slots: %lu\n", held, g_allocated,
                g_first, slots);
    return held && g_allocated && g_first && slots == 1 ? 0 : 1;
}

}  // namespace

int LoaderLock() { return RunLimited(L"in_dll_main"); }
int InDllMain() {
    g_in_dll_main = Allocate;
    return Race([] { return LoadLibraryW(L"strata_first_call_library.dll") != nullptr; });
}

int PebLock() { return RunLimited(L"in_peb_lock"); }
int InPebLock() {
    return Race([] {
        // Exported by ntdll: the critical section that guards the environment, TLS indices and
        // more.
        const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
        using Function = void(NTAPI*)();
        const auto find = [&](const char* name) {
            return reinterpret_cast<Function>(reinterpret_cast<void*>(GetProcAddress(ntdll, name)));
        };
        const Function acquire = find("RtlAcquirePebLock");
        const Function release = find("RtlReleasePebLock");
        if (acquire == nullptr || release == nullptr) return false;
        acquire();
        const int done = Allocate();
        release();
        return done != 0;
    });
}

}  // namespace strata::first_call
