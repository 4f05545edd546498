// Bringing the override into a process that is running already.
#pragma once

#include <cstdint>
#include <string>

#include "run/process_calls.h"

namespace strata::run {

struct AttachRequest {
    uint32_t pid = 0;
    std::wstring dll;  // full path
    bool require = false;
    bool children = false;
    bool verbose = false;
    bool stats = false;
    std::wstring stats_file;      // full path; empty: none
    uint32_t timeout_ms = 30000;  // for the process to load the DLL
};

// Makes the process load the DLL and waits for its answer. Returns when the override is active, and
// also, having said so, when it declined and `request.require` is not set; the process goes on in
// either case. Throws Failure otherwise (see Target); then the process goes on as it was.
void Attach(const AttachRequest& request, const ProcessCalls& calls = {});

}  // namespace strata::run
