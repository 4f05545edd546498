// Starts a child while nobody may read the override's DLL, which this process has loaded long
// since.
//
//   shut_out [program]    the child: this program again, or another copy of it; prints its exit code
//   shut_out child -      a child: says whether the override is there
#include <windows.h>

#include <cstring>
#include <string>

#include "check.h"

namespace {

// An empty list of rights: none for anybody. The owner can still set others.
void Shut(const wchar_t* path) {
    ACL list;
    SECURITY_DESCRIPTOR security;
    CHECK(InitializeAcl(&list, sizeof list, ACL_REVISION));
    CHECK(InitializeSecurityDescriptor(&security, SECURITY_DESCRIPTOR_REVISION));
    CHECK(SetSecurityDescriptorDacl(&security, TRUE, &list, FALSE));
    CHECK(SetFileSecurityW(path, DACL_SECURITY_INFORMATION, &security));
}

DWORD Run(const std::wstring& program) {
    std::wstring line = L"\"" + program + L"\" child -";
    STARTUPINFOW startup = {};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION process;
    CHECK(CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr,
                         &startup, &process));
    WaitForSingleObject(process.hProcess, INFINITE);
    DWORD code = 0;
    GetExitCodeProcess(process.hProcess, &code);
    return code;
}

}  // namespace

int main(int count, char** arguments) {
    const HMODULE dll = GetModuleHandleW(L"strata-override.dll");
    if (count > 2) {
        std::printf("child: %s\n", dll != nullptr ? "loaded" : "absent");
        return 21;
    }
    wchar_t path[MAX_PATH];
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    std::wstring program = path;
    if (count > 1) program.assign(arguments[1], arguments[1] + std::strlen(arguments[1]));
    CHECK(dll != nullptr && GetModuleFileNameW(dll, path, MAX_PATH) != 0);
    alignas(8) BYTE before[4096];
    DWORD bytes;
    CHECK(GetFileSecurityW(path, DACL_SECURITY_INFORMATION, before, sizeof before, &bytes));
    Shut(path);
    const DWORD code = Run(program);
    CHECK(SetFileSecurityW(path, DACL_SECURITY_INFORMATION, before));
    std::printf("ended: %lu\n", code);
    return 0;
}
