// Says whether the override is active in it and in the children that it starts in several ways.
//
//   family            starts the children, waits for each and prints its exit code
//   family child N    a child: says what it is and returns N
#include <windows.h>
#include <strata/override.h>

#include <process.h>

#include <cstring>
#include <string>

#include "check.h"

namespace {

const char* Status() {
    const HMODULE dll = GetModuleHandleW(L"strata-override.dll");
    if (dll == nullptr) return "absent";
    const auto status = reinterpret_cast<StrataOverrideStatusFunction*>(
        reinterpret_cast<void*>(GetProcAddress(dll, "StrataOverrideStatus")));
    CHECK(status != nullptr);
    return status(nullptr) == STRATA_OVERRIDE_ACTIVE ? "active" : "not active";
}

void Wait(const char* how, const PROCESS_INFORMATION& process) {
    WaitForSingleObject(process.hProcess, INFINITE);
    DWORD code = 0;
    GetExitCodeProcess(process.hProcess, &code);
    CloseHandle(process.hProcess);
    CloseHandle(process.hThread);
    std::printf("%s: %lu\n", how, code);
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    std::printf("%s: %s\n", count == 3 ? arguments[2] : "parent", Status());
    std::fflush(stdout);
    if (count == 3) return std::atoi(arguments[2]);

    char path[MAX_PATH];
    GetModuleFileNameA(nullptr, path, MAX_PATH);
    PROCESS_INFORMATION process;
    STARTUPINFOA startup = {};
    startup.cb = sizeof startup;
    std::string line = std::string("\"") + path + "\" child 11";
    CHECK(CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr,
                         &startup, &process));
    Wait("CreateProcessA", process);

    const std::wstring wide_path(path, path + std::strlen(path));
    std::wstring wide_line = L"\"" + wide_path + L"\" child 12";
    STARTUPINFOW wide_startup = {};
    wide_startup.cb = sizeof wide_startup;
    CHECK(CreateProcessW(wide_path.c_str(), wide_line.data(), nullptr, nullptr, TRUE,
                         CREATE_SUSPENDED, nullptr, nullptr, &wide_startup, &process));
    CHECK(WaitForSingleObject(process.hThread, 50) == WAIT_TIMEOUT);
    CHECK(ResumeThread(process.hThread) == 1);  // suspended once, by this program
    Wait("CreateProcessW, suspended", process);

    // As servers start their workers, with fewer rights than they have.
    HANDLE own_token;
    HANDLE token;
    CHECK(OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &own_token));
    CHECK(CreateRestrictedToken(own_token, DISABLE_MAX_PRIVILEGE, 0, nullptr, 0, nullptr, 0,
                                nullptr, &token));
    line = std::string("\"") + path + "\" child 14";
    CHECK(CreateProcessAsUserA(token, nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr,
                               nullptr, &startup, &process));
    Wait("CreateProcessAsUserA", process);
    wide_line = L"\"" + wide_path + L"\" child 15";
    CHECK(CreateProcessAsUserW(token, nullptr, wide_line.data(), nullptr, nullptr, TRUE, 0, nullptr,
                               nullptr, &wide_startup, &process));
    Wait("CreateProcessAsUserW", process);

    std::printf("spawn: %d\n",
                static_cast<int>(_spawnl(_P_WAIT, path, path, "child", "13", nullptr)));
    SetLastError(0);
    CHECK(!CreateProcessW(L"Z:\\no\\such\\program.exe", nullptr, nullptr, nullptr, FALSE, 0,
                          nullptr, nullptr, &wide_startup, &process));
    std::printf("missing: %d\n",
                GetLastError() == ERROR_PATH_NOT_FOUND || GetLastError() == ERROR_FILE_NOT_FOUND);
    return 0;
}
