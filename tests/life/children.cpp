#include "children.h"

#include <windows.h>

#include <atomic>

#include "support/death.h"

namespace strata::life {

std::map<std::string, Child>& Registered::All() {
    static std::map<std::string, Child> all;
    return all;
}

uint32_t RunChild(const char* name, unsigned seconds) {
    wchar_t program[MAX_PATH];
    GetModuleFileNameW(nullptr, program, MAX_PATH);
    std::wstring line = L"\"" + std::wstring(program) + L"\" --child=";
    for (const char* c = name; *c != 0; ++c) line += static_cast<wchar_t>(*c);
    STARTUPINFOW startup = {};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION process = {};
    if (!CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup,
                        &process)) {
        return kTimedOut;
    }
    DWORD code = kTimedOut;
    if (WaitForSingleObject(process.hProcess, seconds * 1000) == WAIT_OBJECT_0) {
        GetExitCodeProcess(process.hProcess, &code);
    } else {
        TerminateProcess(process.hProcess, kTimedOut);
    }
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    return code;
}

bool IsFailFast(uint32_t code) {
    // Wine passes on the low byte of the status.
    return (code & 0xFF) == (static_cast<uint32_t>(test::kFailFastStatus) & 0xFF);
}

namespace {

unsigned g_seconds = 0;
ULONGLONG volatile g_progress = 0;  // when there was some
LONG volatile g_system_answers = 0;

void WaitForStandstill() {
    while (GetTickCount64() - g_progress < g_seconds * ULONGLONG{1000}) Sleep(250);
}

DWORD WINAPI AskTheSystem(void*) {
    WaitForStandstill();
    void* const memory = VirtualAlloc(nullptr, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    VirtualFree(memory, 0, MEM_RELEASE);
    InterlockedExchange(&g_system_answers, 1);
    return 0;
}

DWORD WINAPI Watch(void*) {
    WaitForStandstill();
    Sleep(3000);
    TerminateProcess(GetCurrentProcess(), g_system_answers != 0 ? kHung : kSystemHung);
    return 0;
}

}  // namespace

void Progress() { g_progress = GetTickCount64(); }

void EndWhenHung(unsigned seconds) {
    g_seconds = seconds;
    Progress();
    CloseHandle(CreateThread(nullptr, 0, AskTheSystem, nullptr, 0, nullptr));
    CloseHandle(CreateThread(nullptr, 0, Watch, nullptr, 0, nullptr));
}

uint32_t Random(uint32_t bound) {
    static std::atomic<uint64_t> state{0};
    LARGE_INTEGER counter;
    QueryPerformanceCounter(&counter);
    uint64_t bits = (state += static_cast<uint64_t>(counter.QuadPart)) * 0x9E3779B97F4A7C15u;
    bits ^= bits >> 29;
    return static_cast<uint32_t>((bits * 0xBF58476D1CE4E5B9u) >> 33) % bound;
}

void WaitMicroseconds(uint32_t microseconds) {
    LARGE_INTEGER frequency, now;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    const LONGLONG end = now.QuadPart + frequency.QuadPart * microseconds / 1'000'000;
    while (now.QuadPart < end) QueryPerformanceCounter(&now);
}

}  // namespace strata::life
