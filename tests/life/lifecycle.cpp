// Threads and libraries that come and go, in the manner of the first argument, as often as the
// second says. Prints the same with any heap; what it measures goes to standard error.
#include <windows.h>

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "loader_callback.h"
#include "programs/check.h"

namespace {

constexpr SIZE_T kMegabyte = 1 << 20;
std::atomic<unsigned> g_late_frees{0};
DWORD g_tls = TLS_OUT_OF_INDEXES;

// Bytes of private memory that are committed.
SIZE_T Committed() {
    SIZE_T sum = 0;
    for (uintptr_t at = 0x10000;;) {
        MEMORY_BASIC_INFORMATION information = {};
        if (VirtualQuery(reinterpret_cast<void*>(at), &information, sizeof information) == 0) break;
        if (information.State == MEM_COMMIT && information.Type == MEM_PRIVATE) {
            sum += information.RegionSize;
        }
        at = reinterpret_cast<uintptr_t>(information.BaseAddress) + information.RegionSize;
        if (at == 0) break;
    }
    return sum;
}

// A mixture of sizes, all freed again but one block.
void* UseHeap() {
    void* blocks[40];
    SIZE_T size = 8;
    for (void*& block : blocks) {
        block = HeapAlloc(GetProcessHeap(), 0, size);
        CHECK(block != nullptr);
        std::memset(block, 0x5a, size);
        size = size * 4 / 3 + 1;
        if (size > 200000) size = 8;
    }
    for (size_t i = 1; i < 40; ++i) CHECK(HeapFree(GetProcessHeap(), 0, blocks[i]));
    return blocks[0];
}

// When a thread ends, the program's own callback comes after those of all DLLs, also of the
// override.
void NTAPI OnLoaderEvent(void*, DWORD reason, void*) {
    if (reason != DLL_THREAD_DETACH || g_tls == TLS_OUT_OF_INDEXES) return;
    if (void* const block = TlsGetValue(g_tls)) {
        TlsSetValue(g_tls, nullptr);
        if (HeapFree(GetProcessHeap(), 0, block)) ++g_late_frees;
        HeapFree(GetProcessHeap(), 0, UseHeap());
    }
}

}  // namespace

STRATA_LOADER_CALLBACK(OnLoaderEvent)

namespace {

DWORD WINAPI ShortLife(void* slot) {
    auto** const left = static_cast<void**>(slot);
    HeapFree(GetProcessHeap(), 0, *left);  // another thread's
    *left = UseHeap();
    return 0;
}

void Start(HANDLE& thread, LPTHREAD_START_ROUTINE start, void* argument) {
    thread =
        CreateThread(nullptr, 0x10000, start, argument, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
    CHECK(thread != nullptr);
}

// Each round eight threads at once. The commit after a quarter of them must be about that at
// the end.
void Births(unsigned long number) {
    void* left[8] = {};
    SIZE_T early = 0;
    const unsigned long rounds = (number + 7) / 8;
    for (unsigned long round = 0; round < rounds; ++round) {
        HANDLE threads[8];
        for (size_t i = 0; i < 8; ++i) Start(threads[i], ShortLife, &left[i]);
        WaitForMultipleObjects(8, threads, TRUE, INFINITE);
        for (const HANDLE thread : threads) CloseHandle(thread);
        if (round == rounds / 4) early = Committed();
    }
    const SIZE_T late = Committed();
    std::fprintf(stderr, "commit: %llu KiB after %lu threads, %llu KiB after %lu\n",
                 static_cast<unsigned long long>(early >> 10), rounds / 4 * 8 + 8,
                 static_cast<unsigned long long>(late >> 10), rounds * 8);
    // How many run at once, and so how much is in their caches, varies; one thread's is 0.6 MiB.
    CHECK(late < early + 4 * kMegabyte);
    for (void* const block : left) CHECK(HeapFree(GetProcessHeap(), 0, block));
    std::puts("commit is flat");
}

DWORD WINAPI WaitToBeEnded(void* slot) {
    *static_cast<void**>(slot) = UseHeap();
    Sleep(INFINITE);
    return 0;
}

// Threads that are ended from outside, without any callback, when they have used the heap.
void Terminations(unsigned long number) {
    const SIZE_T before = Committed();
    for (unsigned long i = 0; i < number; ++i) {
        void* volatile block = nullptr;
        HANDLE thread;
        Start(thread, WaitToBeEnded, const_cast<void**>(&block));
        while (block == nullptr) Sleep(0);
        Sleep(1);
        CHECK(TerminateThread(thread, 0));
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
        CHECK(HeapFree(GetProcessHeap(), 0, block));
    }
    std::fprintf(stderr, "commit: %lld KiB more after %lu terminated threads\n",
                 static_cast<long long>(Committed() >> 10) - static_cast<long long>(before >> 10),
                 number);
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    HeapFree(GetProcessHeap(), 0, UseHeap());
    std::puts("the heap goes on");
}

std::atomic<unsigned> g_fiber_frees{0};

void NTAPI FreeFiberBlock(void* block) {
    if (HeapFree(GetProcessHeap(), 0, block)) ++g_fiber_frees;
    HeapFree(GetProcessHeap(), 0, UseHeap());
}

DWORD WINAPI KeepUntilTheEnd(void* index) {
    CHECK(TlsSetValue(g_tls, UseHeap()));
    CHECK(FlsSetValue(static_cast<DWORD>(reinterpret_cast<uintptr_t>(index)), UseHeap()));
    return 0;
}

// Blocks that are freed by callbacks at a thread's end, before and after the override's own.
void LateFrees(unsigned long number) {
    g_tls = TlsAlloc();
    const DWORD fls = FlsAlloc(FreeFiberBlock);
    CHECK(g_tls != TLS_OUT_OF_INDEXES && fls != FLS_OUT_OF_INDEXES);
    for (unsigned long i = 0; i < number; ++i) {
        HANDLE thread;
        Start(thread, KeepUntilTheEnd, reinterpret_cast<void*>(static_cast<uintptr_t>(fls)));
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
    CHECK(FlsFree(fls) && TlsFree(g_tls));
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    std::printf("%u freed by TLS callbacks, %u by FLS callbacks\n", g_late_frees.load(),
                g_fiber_frees.load());
}

// The override stays, however often it is freed.
void FreeOverride(unsigned long number) {
    const HMODULE dll = GetModuleHandleW(L"strata-override.dll");
    for (unsigned long i = 0; dll != nullptr && i < number; ++i) {
        FreeLibrary(dll);
        HeapFree(GetProcessHeap(), 0, UseHeap());
    }
    CHECK(GetModuleHandleW(L"strata-override.dll") == dll);
    std::puts("freed, and the heap goes on");
}

DWORD WINAPI LoadSomething(void*) {
    for (;;) {
        const HMODULE library = LoadLibraryW(L"lz32.dll");  // waits for the loader lock
        if (library != nullptr) FreeLibrary(library);
    }
}

// A fatal error while the loader lock is held and others wait for it: see fatal_dll.cpp.
void FatalUnderLoaderLock() {
    for (int i = 0; i < 2; ++i) {
        HANDLE thread;
        Start(thread, LoadSomething, nullptr);
    }
    std::puts("before");
    std::fflush(stdout);
    wchar_t path[MAX_PATH];
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    wchar_t* name = path;
    for (wchar_t* c = path; *c != 0; ++c) {
        if (*c == L'\\') name = c + 1;
    }
    wcscpy(name, L"strata_program_fatal_dll.dll");
    LoadLibraryW(path);
    std::puts("after");
}

}  // namespace

int main(int count, char** arguments) {
    CHECK(count == 3);
    const std::string manner = arguments[1];
    const unsigned long number = std::strtoul(arguments[2], nullptr, 10);
    if (manner == "births") Births(number);
    if (manner == "terminations") Terminations(number);
    if (manner == "late-frees") LateFrees(number);
    if (manner == "free-override") FreeOverride(number);
    if (manner == "loader-lock") FatalUnderLoaderLock();
    std::puts("done");
    return 0;
}
