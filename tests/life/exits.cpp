// Starts itself many times, each time as a process that ends in the midst of things: other threads
// are inside the heap's functions, blocks of one thread are being freed by another, code runs that
// uses the heap when all other threads have been ended wherever they stood.
//
//   exits <number of processes> <milliseconds each may take to end>
//   exits child <manner> <event>
//
// A child says with the event that it is about to end; from then on its time counts. When the
// override is in the parent, it must be in each child (strata-run --children).
#include <windows.h>

#include <atomic>
#include <cstring>
#include <cwchar>
#include <string>

#include "loader_callback.h"
#include "programs/check.h"

namespace {

constexpr wchar_t kDll[] = L"strata-override.dll";
constexpr DWORD kCode = 42;
constexpr DWORD kNoOverride = 9;
constexpr const wchar_t* kManners[] = {L"exit",   L"return", L"thread",      L"atexit",
                                       L"nested", L"detach", L"nested-late", L"terminate"};
constexpr size_t kMannerCount = sizeof kManners / sizeof kManners[0];

HANDLE g_event = nullptr;
std::atomic<void*> g_passed[256];
bool g_use_heap_late = false;
bool g_exit_late = false;

// Allocates, resizes and frees in all sizes, and passes blocks to other threads, for ever.
DWORD WINAPI Work(void* seed) {
    auto random = static_cast<unsigned>(reinterpret_cast<uintptr_t>(seed));
    void* mine[64] = {};
    for (;;) {
        random = random * 1664525 + 1013904223;
        void*& slot = mine[(random >> 8) % 64];
        const SIZE_T size = (random >> 16) % 50 == 0 ? random % 3000000 : random % 3000;
        if (slot != nullptr && random % 3 == 0) {
            slot = HeapReAlloc(GetProcessHeap(), 0, slot, size);
        } else {
            slot = g_passed[(random >> 20) % 256].exchange(slot);
            HeapFree(GetProcessHeap(), 0, slot);
            slot = HeapAlloc(GetProcessHeap(), 0, size);
        }
    }
}

// What code may do that runs at the very end.
void UseHeap() {
    for (SIZE_T size = 0; size < 3000000; size = size * 2 + 5) {
        void* block = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);
        if (block == nullptr) continue;
        block = HeapReAlloc(GetProcessHeap(), 0, block, size + 100);
        HeapFree(GetProcessHeap(), 0, block);
    }
    for (std::atomic<void*>& passed : g_passed) {
        HeapFree(GetProcessHeap(), 0, passed.exchange(nullptr));
    }
    const HANDLE heap = HeapCreate(0, 0, 0);
    HeapAlloc(heap, 0, 1000);
    HeapDestroy(heap);
}

void NTAPI OnLoaderEvent(void*, DWORD reason, void*) {
    if (reason != DLL_PROCESS_DETACH) return;
    if (g_use_heap_late) UseHeap();
    if (g_exit_late) ExitProcess(kCode);
}

}  // namespace

STRATA_LOADER_CALLBACK(OnLoaderEvent)

namespace {

DWORD WINAPI ExitFromHere(void*) {
    SetEvent(g_event);
    ExitProcess(kCode);
}

int Child(const wchar_t* manner, bool override_expected) {
    if (override_expected && GetModuleHandleW(kDll) == nullptr) return kNoOverride;
    const auto is = [&](const wchar_t* name) { return std::wcscmp(manner, name) == 0; };
    for (uintptr_t i = 1; i <= 4; ++i) {
        CloseHandle(CreateThread(nullptr, 0, Work, reinterpret_cast<void*>(i), 0, nullptr));
    }
    Sleep(GetCurrentProcessId() % 16);
    g_use_heap_late = is(L"detach") || is(L"nested-late");
    g_exit_late = is(L"nested") || is(L"nested-late");
    if (is(L"thread")) {
        CloseHandle(CreateThread(nullptr, 0, ExitFromHere, nullptr, 0, nullptr));
        Work(reinterpret_cast<void*>(5));
    }
    if (is(L"atexit")) {
        std::atexit([] {
            UseHeap();
            ExitProcess(kCode);  // in the midst of exit
        });
    }
    SetEvent(g_event);
    if (is(L"return")) return kCode;
    if (is(L"atexit")) std::exit(1);
    if (is(L"terminate")) TerminateProcess(GetCurrentProcess(), kCode);
    ExitProcess(kCode);
}

struct Times {
    DWORD longest = 0;
    DWORD late = 0;
    DWORD wrong = 0;
};

void RunOne(const wchar_t* path, const wchar_t* manner, DWORD limit, Times& times) {
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, nullptr, TRUE};
    const HANDLE leaving = CreateEventW(&inherit, TRUE, FALSE, nullptr);
    wchar_t command[MAX_PATH * 2];
    const bool active = GetModuleHandleW(kDll) != nullptr;
    swprintf(command, sizeof command / sizeof command[0], L"\"%ls\" child %ls %llu %d", path,
             manner, static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(leaving)),
             active ? 1 : 0);
    STARTUPINFOW startup = {};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION process = {};
    CHECK(CreateProcessW(path, command, nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup,
                         &process));
    const HANDLE either[] = {leaving, process.hProcess};
    CHECK(WaitForMultipleObjects(2, either, FALSE, 120000) < WAIT_OBJECT_0 + 2);
    const ULONGLONG began = GetTickCount64();
    const bool ended = WaitForSingleObject(process.hProcess, limit) == WAIT_OBJECT_0;
    const auto took = static_cast<DWORD>(GetTickCount64() - began);
    if (took > times.longest) times.longest = took;
    DWORD code = 0;
    if (!ended) {
        ++times.late;
        std::fprintf(stderr, "%ls: still there after %lu ms\n", manner, took);
        TerminateProcess(process.hProcess, 1);
    } else if (!GetExitCodeProcess(process.hProcess, &code) || code != kCode) {
        ++times.wrong;
        std::fprintf(stderr, "%ls: ended with code 0x%lx\n", manner, code);
    }
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    CloseHandle(leaving);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 5 && std::strcmp(arguments[1], "child") == 0) {
        g_event = reinterpret_cast<HANDLE>(
            static_cast<uintptr_t>(std::strtoull(arguments[3], nullptr, 10)));
        const std::string narrow = arguments[2];
        return Child(std::wstring(narrow.begin(), narrow.end()).c_str(), arguments[4][0] == '1');
    }
    CHECK(count == 3);
    const unsigned long processes = std::strtoul(arguments[1], nullptr, 10);
    const DWORD limit = std::strtoul(arguments[2], nullptr, 10);
    wchar_t path[MAX_PATH];
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    Times times;
    for (unsigned long i = 0; i < processes; ++i) {
        RunOne(path, kManners[i % kMannerCount], limit, times);
    }
    std::fprintf(stderr, "longest: %lu ms\n", times.longest);
    std::printf("%lu processes: %lu too late, %lu with a wrong exit code\n", processes, times.late,
                times.wrong);
    return times.late + times.wrong == 0 ? 0 : 1;
}
