// TLS callbacks of a program come after the DLLs' DllMain, and after those of a library that is
// linked into it. A thread whose only heap call is there leaves nothing behind.
#include <windows.h>

#include <cstdio>

#include <strata/strata.h>

#include "cases.h"

namespace {

LONG volatile g_late_calls = 0;
bool volatile g_calls_late = false;

void NTAPI TlsCallback(void*, DWORD reason, void*) {
    if (reason != DLL_THREAD_DETACH || !g_calls_late) return;
    constexpr size_t kBytes[] = {100, 3000, 100'000};
    for (const size_t bytes : kBytes) strata_free(strata_malloc(bytes));
    InterlockedIncrement(&g_late_calls);
}

}  // namespace

// Behind all others: the linker sorts the sections.
extern "C" {
#ifdef _MSC_VER
#pragma section(".CRT$XLY", read)
#pragma comment(linker, "/INCLUDE:_tls_used")
#pragma comment(linker, "/INCLUDE:strata_first_call_tls_callback")
__declspec(allocate(".CRT$XLY"))
#else
__attribute__((section(".CRT$XLY"), used))
#endif
PIMAGE_TLS_CALLBACK strata_first_call_tls_callback = TlsCallback;
}

namespace strata::first_call {

namespace {

void RunThreads(int count) {
    for (int i = 0; i < count; ++i) {
        const HANDLE thread =
            CreateThread(nullptr, 0, [](void*) -> DWORD { return 0; }, nullptr, 0, nullptr);
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
}

size_t Committed() {
    strata_statistics statistics = {};
    statistics.struct_size = sizeof statistics;
    strata_get_statistics(&statistics);
    return statistics.committed;
}

}  // namespace

int LateThreads() {
    constexpr int kThreads = 2000;
    constexpr size_t kTolerance = 64 * 1024;  // one cache is 7.2 KiB
    strata_free(strata_malloc(1));
    g_calls_late = true;
    RunThreads(50);
    const size_t before = Committed();
    RunThreads(kThreads);
    const size_t after = Committed();
    std::printf("%ld threads: %zu bytes committed, then %zu\n", g_late_calls, before, after);
    if (g_late_calls != kThreads + 50) return 1;
    return after > before + kTolerance ? 1 : 0;
}

}  // namespace strata::first_call
