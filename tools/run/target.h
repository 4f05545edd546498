// A running process that the override is to be brought into, and whether that can be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/handle.h"
#include "run/process_calls.h"

namespace strata::run {

// Opens processes and judges them. All of it throws Failure: kExitNotFound when there is no such
// process, kExitCannotRun when it cannot be attached to, kExitLauncher when a call failed
// otherwise; the message names the process, the call and the error.
class Target {
public:
    // `dll`: the full path of the override DLL, which must not be there yet.
    Target(uint32_t pid, const std::wstring& dll, const ProcessCalls& calls);

    HANDLE process() const { return process_.get(); }
    uint32_t pid() const { return pid_; }
    // LoadLibraryW, as an address in the process.
    LPTHREAD_START_ROUTINE load_library() const { return load_library_; }

    // "process 4711: …"
    [[noreturn]] void Refuse(int exit_code, const std::string& why) const;
    [[noreturn]] void Failed(const char* call, uint32_t error) const;
    // Throws when the process has ended; says with which exit code.
    void CheckAlive() const;

private:
    struct Module {
        HMODULE base;
        std::wstring name;  // without a folder
    };

    void CheckLoadable(const std::wstring& dll) const;
    std::vector<HMODULE> ListModules() const;
    void FindModules(const std::wstring& dll);
    void FindLoadLibrary(const std::vector<Module>& modules);

    uint32_t pid_;
    const ProcessCalls& calls_;
    Handle process_;
    LPTHREAD_START_ROUTINE load_library_ = nullptr;
};

}  // namespace strata::run
