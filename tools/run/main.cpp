// strata-run: runs an unmodified program with its heap replaced by Strata, or replaces that of a
// process that is running already.
#include <windows.h>

#include <exception>

#include "run/attach.h"
#include "run/command_line.h"
#include "run/errors.h"
#include "run/launch.h"
#include "run/options.h"
#include "run/override_dll.h"
#include "run/program.h"

namespace {

// The override reads its options from the environment, which the program inherits.
void SetEnvironment(const strata::run::Options& options) {
    if (options.verbose) SetEnvironmentVariableW(L"STRATA_VERBOSE", L"1");
    if (options.stats) SetEnvironmentVariableW(L"STRATA_STATS", L"1");
    if (options.disable) SetEnvironmentVariableW(L"STRATA_DISABLE", L"1");
    if (options.children) SetEnvironmentVariableW(L"STRATA_CHILDREN", L"1");
    if (!options.stats_file.empty()) {
        SetEnvironmentVariableW(L"STRATA_STATS_FILE", options.stats_file.c_str());
    }
    if (!options.record.empty()) {
        SetEnvironmentVariableW(L"STRATA_RECORD", options.record.c_str());
    }
}

// A name that cannot be written to is an error before the program runs, not a message in its
// output.
void CheckRecordFile(const std::wstring& path) {
    const HANDLE file = CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                                    OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) {
        throw strata::run::Failure(strata::run::kExitLauncher,
                                   "the trace cannot be written: " + strata::run::ToUtf8(path) +
                                       ": " +
                                       strata::run::SystemErrorText("CreateFileW", GetLastError()));
    }
    CloseHandle(file);
}

strata::run::AttachRequest RequestOf(const strata::run::Options& options) {
    strata::run::AttachRequest request;
    request.pid = options.attach;
    request.dll = strata::run::FindOverrideDll(options.dll);
    request.require = options.require;
    request.children = options.children;
    request.verbose = options.verbose;
    request.stats = options.stats;
    // The process has another current folder.
    if (!options.stats_file.empty()) request.stats_file = strata::run::FullPath(options.stats_file);
    request.timeout_ms = options.timeout_seconds * 1000;
    return request;
}

}  // namespace

int wmain() {
    using namespace strata::run;
    try {
        const Options options = ParseOptions(GetCommandLineW());
        if (options.exit) return options.exit_code;
        if (options.disable && options.require) {
            throw Failure(kExitLauncher, "--disable and --require exclude each other");
        }
        if (options.disable && !options.record.empty()) {
            throw Failure(kExitLauncher, "--disable and --record exclude each other");
        }
        if (options.is_attach && !options.record.empty()) {
            throw Failure(kExitLauncher, "--attach and --record exclude each other");
        }
        if (options.is_attach) {
            Attach(RequestOf(options));
            return 0;
        }
        LaunchRequest request;
        request.program = FindProgram(options.program);
        request.command_line = options.command_line;
        request.require = options.require || !options.record.empty();
        request.children = options.children;
        request.verbose = options.verbose;
        request.timeout_ms = options.timeout_seconds * 1000;
        if (!options.disable) {
            CheckProgram(request.program);
            request.dll = FindOverrideDll(options.dll);
        }
        if (!options.record.empty() && !options.children) CheckRecordFile(options.record);
        SetEnvironment(options);
        return static_cast<int>(Launch(request));
    } catch (const Failure& failure) {
        Say(failure.what());
        return failure.exit_code();
    } catch (const std::exception& error) {
        Say(error.what());
        return kExitLauncher;
    }
}
