// The system calls by which another process is looked at and changed: a parameter, so that tests
// can let each of them fail. Their meaning is the system's (Microsoft, "Process and Thread
// Functions", "Memory Management Functions", "Process Status Helper").
#pragma once

#include <windows.h>
#define PSAPI_VERSION 2  // in kernel32
#include <psapi.h>

#include "override/loadable.h"

namespace strata::run {

struct ProcessCalls {
    decltype(&::CreateProcessW) create_process = ::CreateProcessW;
    decltype(&::TerminateProcess) terminate = ::TerminateProcess;
    decltype(&::OpenProcess) open_process = ::OpenProcess;
    override::LoadCalls load = override::FindLoadCalls();
    decltype(&::K32EnumProcessModulesEx) enum_modules = ::K32EnumProcessModulesEx;
    decltype(&::K32GetModuleBaseNameW) module_name = ::K32GetModuleBaseNameW;
    decltype(&::VirtualQueryEx) virtual_query = ::VirtualQueryEx;
    decltype(&::VirtualAllocEx) virtual_alloc = ::VirtualAllocEx;
    decltype(&::VirtualFreeEx) virtual_free = ::VirtualFreeEx;
    decltype(&::WriteProcessMemory) write = ::WriteProcessMemory;
    decltype(&::ReadProcessMemory) read = ::ReadProcessMemory;
    decltype(&::CreateRemoteThread) create_thread = ::CreateRemoteThread;
    decltype(&::WaitForMultipleObjects) wait = ::WaitForMultipleObjects;
    decltype(&::GetExitCodeThread) get_exit_code = ::GetExitCodeThread;
};

}  // namespace strata::run
