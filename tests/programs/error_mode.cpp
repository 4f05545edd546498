// Says its own error mode and its children's, which must be what they are without Strata.
//
//   error_mode            starts children in several ways and waits for each
//   error_mode child      says its mode
#include <windows.h>

#include <cstring>
#include <string>

#include "check.h"

namespace {

constexpr UINT kOwnMode = SEM_NOOPENFILEERRORBOX;

void StartChild(const char* path, DWORD flags) {
    std::string line = std::string("\"") + path + "\" child";
    STARTUPINFOA startup = {};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION process;
    CHECK(CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, flags, nullptr, nullptr,
                         &startup, &process));
    WaitForSingleObject(process.hProcess, INFINITE);
    CloseHandle(process.hProcess);
    CloseHandle(process.hThread);
}

DWORD WINAPI StartQuietly(void* path) {
    StartChild(static_cast<const char*>(path), 0);
    return 0;
}

}  // namespace

int main(int count, char**) {
    if (count > 1) {
        std::printf("child: %u\n", GetErrorMode());
        return 0;
    }
    std::printf("at start: %u\n", GetErrorMode());
    std::fflush(stdout);
    SetErrorMode(kOwnMode);
    char path[MAX_PATH];
    GetModuleFileNameA(nullptr, path, MAX_PATH);
    StartChild(path, 0);
    StartChild(path, CREATE_DEFAULT_ERROR_MODE);
    HANDLE threads[3];
    for (HANDLE& thread : threads) {
        thread = CreateThread(nullptr, 0, StartQuietly, path, 0, nullptr);
        CHECK(thread != nullptr);
    }
    CHECK(WaitForMultipleObjects(3, threads, TRUE, 60000) == WAIT_OBJECT_0);
    std::printf("at the end: %u\n", GetErrorMode());
    return 0;
}
