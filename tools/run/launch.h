// Starting the program with the override in it, and staying until it ends.
#pragma once

#include <cstdint>
#include <string>

#include "run/process_calls.h"

namespace strata::run {

struct LaunchRequest {
    std::wstring program;       // full path
    std::wstring command_line;  // its whole command line
    std::wstring dll;           // full path; empty: run it as it is
    bool require = false;
    bool children = false;
    bool verbose = false;
    uint32_t timeout_ms = 30000;  // for the process to load the DLL
};

// Runs the program with this process's standard handles, environment and current folder; returns
// its exit code. Throws Failure when it could not be started as asked; then no such process is
// left.
uint32_t Launch(const LaunchRequest& request, const ProcessCalls& calls = {});

}  // namespace strata::run
