// strata-run: runs an unmodified program with its heap replaced by Strata.
#include <windows.h>

#include <exception>

#include "run/errors.h"
#include "run/launch.h"
#include "run/options.h"
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
        LaunchRequest request;
        request.program = FindProgram(options.program);
        request.command_line = options.command_line;
        request.require = options.require;
        request.children = options.children;
        request.verbose = options.verbose;
        if (!options.disable) {
            CheckProgram(request.program);
            request.dll = FindOverrideDll(options.dll);
        }
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
