#include "run/target.h"

#include "run/command_line.h"
#include "run/errors.h"
#include "run/override_dll.h"

namespace strata::run {

namespace {

constexpr DWORD kAccess = PROCESS_CREATE_THREAD | PROCESS_QUERY_INFORMATION | PROCESS_VM_OPERATION |
                          PROCESS_VM_WRITE | PROCESS_VM_READ | SYNCHRONIZE;
constexpr wchar_t kDllName[] = L"strata-override.dll";

std::wstring FileName(const std::wstring& path) {
    return path.substr(path.find_last_of(L"\\/") + 1);
}

bool IsSameName(const std::wstring& a, const std::wstring& b) {
    return _wcsicmp(a.c_str(), b.c_str()) == 0;
}

HANDLE Open(uint32_t pid, const ProcessCalls& calls) {
    const std::string who = "process " + std::to_string(pid) + ": ";
    if (pid == GetCurrentProcessId()) {
        throw Failure(kExitCannotRun, who + "strata-run cannot attach to itself");
    }
    const HANDLE process = calls.open_process(kAccess, FALSE, pid);
    if (process != nullptr) return process;
    const DWORD error = GetLastError();
    const std::string text = SystemErrorText("OpenProcess", error);
    if (error == ERROR_INVALID_PARAMETER) {
        throw Failure(kExitNotFound, who + "there is no such process: " + text);
    }
    if (error == ERROR_ACCESS_DENIED) {
        throw Failure(kExitCannotRun,
                      who +
                          "it belongs to somebody else, runs with more rights, or is "
                          "protected: " +
                          text);
    }
    throw Failure(kExitLauncher, who + text);
}

}  // namespace

Target::Target(uint32_t pid, const std::wstring& dll, const ProcessCalls& calls)
    : pid_(pid), calls_(calls), process_(Open(pid, calls)) {
    CheckAlive();
    CheckLoadable(dll);
    FindModules(dll);
}

void Target::Refuse(int exit_code, const std::string& why) const {
    throw Failure(exit_code, "process " + std::to_string(pid_) + ": " + why);
}

void Target::Failed(const char* call, uint32_t error) const {
    CheckAlive();  // the better reason, if it is one
    Refuse(kExitLauncher, SystemErrorText(call, error));
}

void Target::CheckAlive() const {
    if (WaitForSingleObject(process_.get(), 0) != WAIT_OBJECT_0) return;
    DWORD exit_code = 0;
    GetExitCodeProcess(process_.get(), &exit_code);
    Refuse(kExitCannotRun, "it has ended (exit code " + std::to_string(exit_code) + ")");
}

void Target::CheckLoadable(const std::wstring& dll) const {
    const MappedDll mapped(dll);
    const override::LoadProblem problem =
        override::FindLoadProblem(process_.get(), mapped.traits(), calls_.load);
    if (!problem) return;
    if (problem.call != nullptr) Failed(problem.call, problem.system_error);
    Refuse(kExitCannotRun, problem.reason);
}

std::vector<HMODULE> Target::ListModules() const {
    std::vector<HMODULE> modules(256);
    for (;;) {
        const auto bytes = static_cast<DWORD>(modules.size() * sizeof(HMODULE));
        DWORD needed = 0;
        if (!calls_.enum_modules(process_.get(), modules.data(), bytes, &needed,
                                 LIST_MODULES_64BIT)) {
            const DWORD error = GetLastError();
            // What is not there yet, or no longer, cannot be read.
            if (error == ERROR_PARTIAL_COPY || error == ERROR_NOACCESS) {
                CheckAlive();
                Refuse(kExitCannotRun, "it is not initialised yet, or just ending: " +
                                           SystemErrorText("EnumProcessModulesEx", error));
            }
            Failed("EnumProcessModulesEx", error);
        }
        modules.resize(needed / sizeof(HMODULE));
        if (needed <= bytes) return modules;
    }
}

void Target::FindModules(const std::wstring& dll) {
    std::vector<Module> modules;
    for (const HMODULE base : ListModules()) {
        wchar_t name[MAX_PATH];
        const DWORD length = calls_.module_name(process_.get(), base, name, MAX_PATH);
        // One that has just been unloaded has no name; the others are looked for.
        if (length != 0) modules.push_back({base, std::wstring(name, length)});
    }
    for (const Module& module : modules) {
        if (IsSameName(module.name, kDllName) || IsSameName(module.name, FileName(dll))) {
            Refuse(kExitCannotRun,
                   "it has been attached to already: " + ToUtf8(module.name) + " is loaded in it");
        }
    }
    FindLoadLibrary(modules);
}

// Where the function lies in its module here, it lies in that module there. Which module it is,
// kernel32 or another one that kernel32 forwards to, is the system's choice.
void Target::FindLoadLibrary(const std::vector<Module>& modules) {
    const auto here = reinterpret_cast<uint8_t*>(
        GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "LoadLibraryW"));
    HMODULE module = nullptr;
    wchar_t path[MAX_PATH];
    if (!GetModuleHandleExW(
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
            reinterpret_cast<const wchar_t*>(here), &module)) {
        Failed("GetModuleHandleExW", GetLastError());
    }
    const DWORD length = GetModuleFileNameW(module, path, MAX_PATH);
    const std::wstring name = FileName(std::wstring(path, length));
    uint8_t* there = nullptr;
    for (const Module& candidate : modules) {
        if (!IsSameName(candidate.name, name)) continue;
        there = reinterpret_cast<uint8_t*>(candidate.base) +
                (here - reinterpret_cast<uint8_t*>(module));
        break;
    }
    if (there == nullptr) {
        Refuse(kExitCannotRun, ToUtf8(name) + " is not loaded in it (yet)");
    }
    // The same code at the same place, as it is between processes of one system.
    MEMORY_BASIC_INFORMATION information = {};
    if (calls_.virtual_query(process_.get(), there, &information, sizeof information) == 0) {
        Failed("VirtualQueryEx", GetLastError());
    }
    uint8_t code[16];
    SIZE_T read = 0;
    if (!calls_.read(process_.get(), there, code, sizeof code, &read)) {
        Failed("ReadProcessMemory", GetLastError());
    }
    if (information.Type != MEM_IMAGE || memcmp(code, here, sizeof code) != 0) {
        Refuse(kExitCannotRun, "its LoadLibraryW is not this system's");
    }
    load_library_ = reinterpret_cast<LPTHREAD_START_ROUTINE>(there);
}

}  // namespace strata::run
