#include <windows.h>

#include <cstdio>
#include <cstring>

#include "cases.h"

int (*g_in_dll_main)() = nullptr;

extern "C" __declspec(dllexport) int FirstCallInDllMain() {
    return g_in_dll_main != nullptr ? g_in_dll_main() : 0;
}

namespace strata::first_call {

int RunLimited(const wchar_t* name) {
    constexpr DWORD kLimit = 10'000;  // milliseconds
    wchar_t line[MAX_PATH + 64] = L"\"";
    const DWORD length = GetModuleFileNameW(nullptr, line + 1, MAX_PATH);
    line[1 + length] = L'"';
    line[2 + length] = L' ';
    for (DWORD i = 0; name[i] != 0; ++i) line[3 + length + i] = name[i];
    STARTUPINFOW startup = {};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION process;
    if (!CreateProcessW(nullptr, line, nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup,
                        &process)) {
        return 1;
    }
    DWORD code = 1;
    if (WaitForSingleObject(process.hProcess, kLimit) == WAIT_OBJECT_0) {
        GetExitCodeProcess(process.hProcess, &code);
    } else {
        std::printf("it hangs\n");
        TerminateProcess(process.hProcess, 1);
    }
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    return static_cast<int>(code);
}

}  // namespace strata::first_call

namespace {

struct Case {
    const char* name;
    int (*run)();
};

constexpr Case kCases[] = {
    {"addresses", strata::first_call::Addresses},
    {"late_threads", strata::first_call::LateThreads},
    {"loader_lock", strata::first_call::LoaderLock},
    {"in_dll_main", strata::first_call::InDllMain},
    {"peb_lock", strata::first_call::PebLock},
    {"in_peb_lock", strata::first_call::InPebLock},
    {"runtime_block", strata::first_call::RuntimeBlock},
    {"in_runtime_block", strata::first_call::InRuntimeBlock},
};

}  // namespace

int main(int count, char** arguments) {
    for (const Case& each : kCases) {
        if (count == 2 && std::strcmp(arguments[1], each.name) == 0) return each.run();
    }
    std::printf("one of these:\n");
    for (const Case& each : kCases) std::printf("  %s\n", each.name);
    return 2;
}
