#include "run/launch.h"

#include <windows.h>

#include "override/import_directory.h"
#include "run/command_line.h"
#include "run/errors.h"
#include "run/handle.h"
#include "run/override_dll.h"

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

// As it is written into the imports.
std::string ImportNameOf(const std::wstring& dll) {
    char name[sizeof override::InjectionBlock::dll_name];
    if (const char* problem = override::NameForImport(dll.c_str(), name, sizeof name)) {
        throw Failure(kExitLauncher,
                      "the override DLL cannot be used: " + ToUtf8(dll) + ": " + problem);
    }
    return name;
}

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

// One start of a program.
class Start {
public:
    Start(const LaunchRequest& request, const ProcessCalls& calls)
        : request_(request), calls_(calls) {}
    ~Start() {
        if (process_.hProcess == nullptr) return;  // it was not created
        CloseHandle(process_.hThread);
        CloseHandle(process_.hProcess);
    }
    Start(const Start&) = delete;
    Start& operator=(const Start&) = delete;

    void Plain() { Create(0); }
    // With the DLL in it. On failure the process is ended: it has not run an instruction of its
    // own.
    void WithDll();
    uint32_t WaitForEnd() const;

private:
    void Create(DWORD flags);
    // Why the process may not have the DLL; empty: it may.
    std::string Obstacle() const;
    void Prepare(const std::string& dll_name, const Handshake& handshake);
    void Resume() const;
    void Answer(const Handshake& handshake) const;
    [[noreturn]] void End(const Failure& failure) const;

    const LaunchRequest& request_;
    const ProcessCalls& calls_;
    override::ErrorModes error_modes_;
    PROCESS_INFORMATION process_ = {};
};

void Start::Create(DWORD flags) {
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
    std::wstring command_line = request_.command_line;  // CreateProcessW writes to it
    if (calls_.create_process(request_.program.c_str(), command_line.data(), nullptr, nullptr, TRUE,
                              flags, nullptr, nullptr, &startup, &process_)) {
        return;
    }
    const DWORD error = GetLastError();
    const bool missing = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    throw Failure(missing ? kExitNotFound : kExitCannotRun,
                  ToUtf8(request_.program) + ": " + SystemErrorText("CreateProcessW", error));
}

std::string Start::Obstacle() const {
    const MappedDll dll(request_.dll);
    const override::LoadProblem problem =
        override::FindLoadProblem(process_.hProcess, dll.traits(), calls_.load);
    if (!problem) return "";
    if (problem.call == nullptr) return problem.reason;
    return std::string(problem.reason) + ": " + SystemErrorText(problem.call, problem.system_error);
}

// Puts the DLL in front of the imports.
void Start::Prepare(const std::string& dll_name, const Handshake& handshake) {
    override::InjectRequest inject = {};
    inject.dll_name = dll_name.c_str();
    inject.flags = (request_.require ? override::kInjectRequire : 0) |
                   (request_.children ? override::kInjectChildren : 0);
    inject.event = Give(process_.hProcess, handshake.event());
    inject.section = Give(process_.hProcess, handshake.section());
    inject.error_modes = error_modes_;
    const override::InjectResult result = override::InjectImport(process_.hProcess, inject);
    if (result.error == InjectError::kNone) return;
    throw Failure(kExitLauncher, result.error == InjectError::kSystem
                                     ? SystemErrorText(result.call, result.system_error)
                                     : override::InjectErrorText(result.error));
}

void Start::Resume() const {
    if (ResumeThread(process_.hThread) == static_cast<DWORD>(-1)) {
        ThrowSystem("ResumeThread", GetLastError());
    }
}

// What became of the override, once the DLL has reported, the process has ended, or neither in
// time.
void Start::Answer(const Handshake& handshake) const {
    const HANDLE either[] = {handshake.event(), process_.hProcess};
    const DWORD waited = calls_.wait(2, either, FALSE, request_.timeout_ms);
    if (waited == WAIT_FAILED) ThrowSystem("WaitForMultipleObjects", GetLastError());
    const InjectionReport& report = handshake.report();
    switch (static_cast<ReportState>(report.state)) {
        case ReportState::kActive:
            if (request_.verbose) {
                Say("active, " + std::to_string(report.redirected) + " entry points redirected");
            }
            return;
        case ReportState::kDeclined:
            if (request_.require) {
                throw Failure(kExitLauncher, std::string("declined: ") + report.reason);
            }
            Say(std::string("declined, the program runs on its own heap: ") + report.reason);
            return;
        case ReportState::kPending:
            break;
    }
    std::string text;
    if (waited == WAIT_TIMEOUT) {
        text = "the override has not reported within " + std::to_string(request_.timeout_ms) +
               " ms: something that comes before it in the process does not go on";
    } else {
        DWORD exit_code = 0;
        GetExitCodeProcess(process_.hProcess, &exit_code);
        char hex[16];
        std::snprintf(hex, sizeof hex, "0x%lx", exit_code);
        text = std::string("the program ended (") + hex + ") before the override could report";
    }
    if (request_.require) throw Failure(kExitLauncher, text);
    Say(waited == WAIT_TIMEOUT ? text + "; it is waited for" : text);
}

void Start::End(const Failure& failure) const {
    calls_.terminate(process_.hProcess, kExitLauncher);
    constexpr DWORD kEndsWithin = 5000;  // its end is a matter of the system's, but not of ours
    WaitForSingleObject(process_.hProcess, kEndsWithin);
    throw failure;
}

void Start::WithDll() {
    const std::string dll_name = ImportNameOf(request_.dll);
    error_modes_.right = GetErrorMode();
    error_modes_.quiet = error_modes_.right | override::kQuietErrors;
    SetErrorMode(error_modes_.quiet);
    try {
        Create(CREATE_SUSPENDED);
    } catch (...) {
        SetErrorMode(error_modes_.right);
        throw;
    }
    SetErrorMode(error_modes_.right);
    try {
        const std::string obstacle = Obstacle();
        if (!obstacle.empty()) {
            if (request_.require)
                throw Failure(kExitLauncher, "it cannot have Strata: " + obstacle);
            Say("the program runs on its own heap: " + obstacle);
            override::GiveErrorMode(process_.hProcess, error_modes_);
            return Resume();
        }
        const Handshake handshake;
        try {
            Prepare(dll_name, handshake);
        } catch (const Failure& failure) {
            throw Failure(kExitLauncher,
                          std::string("the override cannot be loaded: ") + failure.what());
        }
        Resume();
        Answer(handshake);
    } catch (const Failure& failure) {
        End(failure);
    }
}

uint32_t Start::WaitForEnd() const {
    WaitForSingleObject(process_.hProcess, INFINITE);
    DWORD exit_code = 0;
    if (!GetExitCodeProcess(process_.hProcess, &exit_code)) {
        ThrowSystem("GetExitCodeProcess", GetLastError());
    }
    return exit_code;
}

}  // namespace

uint32_t Launch(const LaunchRequest& request, const ProcessCalls& calls) {
    SetConsoleCtrlHandler(OnConsoleEvent, TRUE);
    Start start(request, calls);
    if (request.dll.empty()) {
        start.Plain();
    } else {
        start.WithDll();
    }
    return start.WaitForEnd();
}

}  // namespace strata::run
