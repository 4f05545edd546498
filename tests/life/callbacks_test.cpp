// Allocation where little else works: in TLS callbacks, before the C runtime and after a thread's
// end, and in a DLL's DllMain at each of its four occasions.
#include <gtest/gtest.h>

#include <windows.h>

#include <atomic>
#include <thread>

#include "children.h"
#include "work.h"

namespace strata::life {
namespace {

// No constructor: the first callback comes before those.
constinit std::atomic<int> g_calls[4] = {};
constinit std::atomic<bool> g_wrong{false};
constinit void* g_from_attach = nullptr;

void Use() {
    void* const block = strata_calloc(1, 3000);
    if (block == nullptr || strata_requested_size(block) != 3000) g_wrong = true;
    void* const larger = strata_realloc(block, 100'000);
    if (larger == nullptr || static_cast<char*>(larger)[2999] != 0) g_wrong = true;
    strata_free(larger);
    strata_heap* const heap = strata_heap_create();
    if (strata_heap_malloc(heap, 40) == nullptr) g_wrong = true;
    strata_heap_destroy(heap);
}

void NTAPI TlsCallback(void*, DWORD reason, void*) {
    ++g_calls[reason & 3];
    Use();
    if (reason == DLL_PROCESS_ATTACH) g_from_attach = strata_malloc(77);
    if (reason == DLL_PROCESS_DETACH) {
        strata_free(g_from_attach);
        // The exit code is all that is left to say it with.
        if (g_wrong) TerminateProcess(GetCurrentProcess(), 3);
    }
}

}  // namespace
}  // namespace strata::life

// Where the linkers of both worlds gather the callbacks.
extern "C" {
#ifdef _MSC_VER
#pragma section(".CRT$XLF", read)
#pragma comment(linker, "/INCLUDE:strata_life_tls_callback")
__declspec(allocate(".CRT$XLF"))
#else
__attribute__((section(".CRT$XLF"), used))
#endif
PIMAGE_TLS_CALLBACK strata_life_tls_callback = strata::life::TlsCallback;
}

namespace strata::life {
namespace {

TEST(TlsCallbacks, Allocate) {
    EXPECT_EQ(g_calls[DLL_PROCESS_ATTACH], 1);
    const int attached = g_calls[DLL_THREAD_ATTACH];
    const int detached = g_calls[DLL_THREAD_DETACH];
    for (int i = 0; i < 5; ++i) std::thread([] { strata_free(strata_malloc(100)); }).join();
    EXPECT_EQ(g_calls[DLL_THREAD_ATTACH], attached + 5);
    EXPECT_EQ(g_calls[DLL_THREAD_DETACH], detached + 5);
    EXPECT_FALSE(g_wrong);
    EXPECT_EQ(strata_requested_size(g_from_attach), 77u);
    EXPECT_EQ(strata_heap_validate(strata_heap_process()), 1);
}

const Registered kTlsAtEnd("tls_at_end", [] {
    CloseHandle(StartWorker(1));
    CloseHandle(StartWorker(2));
    Sleep(5);
    return 0;
});

TEST(TlsCallbacks, AllocateAtTheEndOfTheProcess) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(RunChild("tls_at_end", 30), 0u);
}

using Counts = int (*)(int reason);
using Work = void (*)(int rounds);

// Loads the library, works with it in several threads, and unloads it, again and again.
const Registered kLoadAndFree("library_load_and_free", [] {
    for (int round = 0; round < 5; ++round) {
        const HMODULE library = LoadLibraryW(L"strata_life_library.dll");
        if (library == nullptr) return 10;
        const auto work =
            reinterpret_cast<Work>(reinterpret_cast<void*>(GetProcAddress(library, "LifeWork")));
        const auto counts =
            reinterpret_cast<Counts>(reinterpret_cast<void*>(GetProcAddress(library, "LifeCount")));
        if (work == nullptr || counts == nullptr) return 11;
        std::thread threads[4];
        for (std::thread& thread : threads) thread = std::thread([=] { work(300); });
        for (std::thread& thread : threads) thread.join();
        if (counts(DLL_THREAD_DETACH) != 4 || counts(-1) != 0) return 12;
        if (!FreeLibrary(library)) return 13;
    }
    return GetModuleHandleW(L"strata_life_library.dll") == nullptr ? 0 : 14;
});

// The process ends with the library loaded and its threads at work.
const Registered kExitWithLibrary("library_exit", [] {
    const HMODULE library = LoadLibraryW(L"strata_life_library.dll");
    if (library == nullptr) return 10;
    static Work work;
    work = reinterpret_cast<Work>(reinterpret_cast<void*>(GetProcAddress(library, "LifeWork")));
    for (int i = 0; i < 3; ++i) {
        CloseHandle(CreateThread(
            nullptr, 0,
            [](void*) -> DWORD {
                for (;;) work(100);
                return 0;
            },
            nullptr, 0, nullptr));
    }
    WaitMicroseconds(Random(15'000));
    return 0;
});

TEST(DllMain, AllocatesAtEachOccasion) { EXPECT_EQ(RunChild("library_load_and_free", 60), 0u); }

TEST(DllMain, AllocatesAtTheEndOfTheProcessUnderLoad) {
    for (int i = 0; i < 6; ++i) EXPECT_EQ(RunChild("library_exit", 30), 0u);
}

}  // namespace
}  // namespace strata::life
