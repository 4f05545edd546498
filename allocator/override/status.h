// What the override did, for the launcher, for StrataOverrideStatus, and for messages.
#pragma once

#include <strata/override.h>

#include "os/text.h"

namespace strata::override {

// Set once, at process attach.
struct Status {
    StrataOverrideState state = STRATA_OVERRIDE_INACTIVE;
    uint32_t redirected = 0;
    bool children = false;
    bool heap_made = false;     // memory of Strata's is there, so that the DLL stays in any case
    uint64_t active_since = 0;  // os::Milliseconds
    char reason[sizeof StrataOverrideInfo::reason] = "not attached";
};

extern constinit Status g_status;

void SetDeclined(const char* reason) noexcept;

// "strata: 7za.exe (4711): ", the beginning of every line the override writes.
void PutPrefix(os::TextSink& text) noexcept;

// Writes the prefix, `message` and a line end to standard error.
void Say(const char* message) noexcept;

// The file name of the program, in UTF-8.
void PutProgramName(os::TextSink& text) noexcept;

}  // namespace strata::override
