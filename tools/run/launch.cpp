#include "run/launch.h"

#include <windows.h>

#include "override/import_directory.h"
#include "run/command_line.h"
#include "run/errors.h"
#include "run/handle.h"

namespace strata::run {

namespace {

using override::InjectError;
using override::InjectionReport;
using override::ReportState;

[[noreturn]] void ThrowSystem(const char* call, uint32_t error) {
    throw Failure(kExitLauncher, SystemErrorText(call, error));
}

// The place where the DLL reports, and the event that says it has.
class Handshake {
public:
    Handshake()
        : event_(CreateEventW(nullptr, TRUE, FALSE, nullptr)),
          section_(CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0,
                                      sizeof(InjectionReport), nullptr)) {
        if (event_.get() == nullptr) ThrowSystem("CreateEventW", GetLastError());
        if (section_.get() == nullptr) ThrowSystem("CreateFileMappingW", GetLastError());
        report_ = static_cast<InjectionReport*>(
            MapViewOfFile(section_.get(), FILE_MAP_WRITE, 0, 0, sizeof(InjectionReport)));
        if (report_ == nullptr) ThrowSystem("MapViewOfFile", GetLastError());
    }
    ~Handshake() { UnmapViewOfFile(report_); }
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;

    HANDLE event() const { return event_.get(); }
    HANDLE section() const { return section_.get(); }
    const InjectionReport& report() const { return *report_; }

private:
    Handle event_;
    Handle section_;
    InjectionReport* report_;
};

// A handle of `process` for one of ours.
uint64_t Give(HANDLE process, HANDLE handle) {
    HANDLE there = nullptr;
    if (!DuplicateHandle(GetCurrentProcess(), handle, process, &there, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)) {
        ThrowSystem("DuplicateHandle", GetLastError());
    }
    return reinterpret_cast<uintptr_t>(there);
}

// Ctrl-C and Ctrl-Break reach every process of the console: the program decides what they mean, and
// the launcher stays to pass its exit code on.
BOOL WINAPI OnConsoleEvent(DWORD event) {
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

PROCESS_INFORMATION Create(const LaunchRequest& request, bool suspended) {
    STARTUPINFOW startup = {};
    GetStartupInfoW(&startup);  // with the window state and the C runtime's file handles
    startup.cb = sizeof startup;
    startup.lpReserved = nullptr;
    if ((startup.dwFlags & STARTF_USESTDHANDLES) == 0) {
        startup.dwFlags |= STARTF_USESTDHANDLES;
        startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
        startup.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    }
    std::wstring command_line = request.command_line;  // CreateProcessW writes to it
    PROCESS_INFORMATION process = {};
    if (CreateProcessW(request.program.c_str(), command_line.data(), nullptr, nullptr, TRUE,
                       suspended ? CREATE_SUSPENDED : 0, nullptr, nullptr, &startup, &process)) {
        return process;
    }
    const DWORD error = GetLastError();
    const bool missing = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    throw Failure(missing ? kExitNotFound : kExitCannotRun,
                  ToUtf8(request.program) + ": " + SystemErrorText("CreateProcessW", error));
}

// As it is written into the imports.
std::string ImportNameOf(const std::wstring& dll) {
    char name[sizeof override::InjectionBlock::dll_name];
    if (const char* problem = override::NameForImport(dll.c_str(), name, sizeof name)) {
        throw Failure(kExitLauncher,
                      "the override DLL cannot be used: " + ToUtf8(dll) + ": " + problem);
    }
    return name;
}

// Puts the DLL in front of the imports; a message when that is not possible.
std::string Inject(HANDLE process, const LaunchRequest& request, const std::string& dll_name,
                   const Handshake& handshake) {
    override::InjectRequest inject = {};
    inject.dll_name = dll_name.c_str();
    inject.flags = (request.require ? override::kInjectRequire : 0) |
                   (request.children ? override::kInjectChildren : 0);
    inject.event = Give(process, handshake.event());
    inject.section = Give(process, handshake.section());
    const override::InjectResult result = override::InjectImport(process, inject);
    if (result.error == InjectError::kNone) return "";
    if (result.error == InjectError::kSystem) {
        return SystemErrorText(result.call, result.system_error);
    }
    return override::InjectErrorText(result.error);
}

// What became of the override, once the DLL has reported or the process has ended.
void Answer(const LaunchRequest& request, const Handshake& handshake, HANDLE process) {
    const HANDLE either[] = {handshake.event(), process};
    WaitForMultipleObjects(2, either, FALSE, INFINITE);
    const InjectionReport& report = handshake.report();
    switch (static_cast<ReportState>(report.state)) {
        case ReportState::kActive:
            if (request.verbose) {
                Say("active, " + std::to_string(report.redirected) + " entry points redirected");
            }
            return;
        case ReportState::kDeclined:
            if (request.require)
                throw Failure(kExitLauncher, std::string("declined: ") + report.reason);
            Say(std::string("declined, the program runs on its own heap: ") + report.reason);
            return;
        case ReportState::kPending:
            break;
    }
    DWORD exit_code = 0;
    GetExitCodeProcess(process, &exit_code);
    char text[80];
    std::snprintf(text, sizeof text, "the program ended (0x%lx) before the override could report",
                  exit_code);
    if (request.require) throw Failure(kExitLauncher, text);
    Say(text);
}

void StartInjected(const LaunchRequest& request, const std::string& dll_name,
                   const PROCESS_INFORMATION& process) {
    const Handshake handshake;
    std::string problem;
    try {
        problem = Inject(process.hProcess, request, dll_name, handshake);
    } catch (const Failure& failure) {
        problem = failure.what();
    }
    if (!problem.empty()) {
        // Never half: a process that could not be prepared has not run an instruction yet.
        TerminateProcess(process.hProcess, kExitLauncher);
        throw Failure(kExitLauncher, "the override cannot be loaded: " + problem);
    }
    if (ResumeThread(process.hThread) == static_cast<DWORD>(-1)) {
        const DWORD error = GetLastError();
        TerminateProcess(process.hProcess, kExitLauncher);
        ThrowSystem("ResumeThread", error);
    }
    Answer(request, handshake, process.hProcess);
}

}  // namespace

uint32_t Launch(const LaunchRequest& request) {
    const bool injected = !request.dll.empty();
    const std::string dll_name = injected ? ImportNameOf(request.dll) : "";
    const PROCESS_INFORMATION process = Create(request, injected);
    const Handle process_handle(process.hProcess);
    const Handle thread_handle(process.hThread);
    SetConsoleCtrlHandler(OnConsoleEvent, TRUE);
    if (injected) {
        try {
            StartInjected(request, dll_name, process);
        } catch (...) {
            WaitForSingleObject(process.hProcess, 5000);
            throw;
        }
    }
    WaitForSingleObject(process.hProcess, INFINITE);
    DWORD exit_code = 0;
    if (!GetExitCodeProcess(process.hProcess, &exit_code)) {
        ThrowSystem("GetExitCodeProcess", GetLastError());
    }
    return exit_code;
}

}  // namespace strata::run
