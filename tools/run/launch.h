// Starting the program with the override in it, and staying until it ends.
#pragma once

#include <cstdint>
#include <string>

namespace strata::run {

struct LaunchRequest {
    std::wstring program;       // full path
    std::wstring command_line;  // its whole command line
    std::wstring dll;           // full path; empty: run it as it is
    bool require = false;
    bool children = false;
    bool verbose = false;
};

// Runs the program with this process's standard handles, environment and current folder; returns its
// exit code. Throws Failure when it could not be started as asked.
uint32_t Launch(const LaunchRequest& request);

}  // namespace strata::run
