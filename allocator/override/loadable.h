// Whether a process may load the DLL. A process that may not would end before it begins, or bring
// up a box; so it is asked before it is touched, and left alone. What can forbid it: another kind
// of processor, a mitigation policy (Microsoft, "GetProcessMitigationPolicy"), and the access
// rights of its token, which for an AppContainer are few.
//
// Shared by the launcher and by the override DLL: no C runtime, no heap, and of the system's DLLs
// only what is in every process.
#pragma once

#include <cstdint>

#include "override/windows_api.h"

namespace strata::override {

// The system's functions: found at run time, because some are in DLLs that ours does not import,
// and a parameter, so that tests can answer. One that is not there is nullptr.
struct LoadCalls {
    BOOL(WINAPI* is_wow64_process)(HANDLE, USHORT*, USHORT*) = nullptr;
    BOOL(WINAPI* get_policy)(HANDLE, int, void*, SIZE_T) = nullptr;
    decltype(&::OpenProcessToken) open_token = nullptr;
    decltype(&::GetTokenInformation) get_token_information = nullptr;
    decltype(&::DuplicateTokenEx) duplicate_token = nullptr;
    decltype(&::AccessCheck) access_check = nullptr;
    decltype(&::GetFileSecurityW) get_file_security = nullptr;
    DWORD(WINAPI* get_final_path)(HANDLE, wchar_t*, DWORD, DWORD) = nullptr;
};
LoadCalls FindLoadCalls() noexcept;

// What is to be loaded.
struct DllTraits {
    const wchar_t* path = nullptr;    // absolute
    bool control_flow_guard = false;  // built with it
    bool shadow_stack = false;        // marked as compatible (CET)
};
// `image`: the DLL as it is mapped here.
DllTraits TraitsOf(const void* image, const wchar_t* path) noexcept;

struct LoadProblem {
    const char* reason = nullptr;  // a clause about the process; nullptr: it may load the DLL
    const char* call = nullptr;    // what failed, when the reason is that it cannot be told
    uint32_t system_error = 0;

    explicit operator bool() const noexcept { return reason != nullptr; }
};

// `process`: with PROCESS_QUERY_INFORMATION. It may be suspended and not have run.
LoadProblem FindLoadProblem(HANDLE process, const DllTraits& dll, const LoadCalls& calls) noexcept;

// Why a process of this kind cannot have the DLL; nullptr: it can. As IsWow64Process2 has them: x64
// programs on ARM64 are not told from others by the process' machine, but by the system's.
const char* MachineProblem(USHORT process_machine, USHORT native_machine) noexcept;

}  // namespace strata::override
