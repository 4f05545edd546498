// The error mode of processes that get the DLL. A DLL that cannot be loaded, or refuses to stay,
// would bring up a message box in the new process, and somebody would have to press its button; a
// process inherits the error mode of the one that creates it (Microsoft, "SetErrorMode"). So that
// mode is quiet while a process is created, and the DLL puts the right one back when it has been
// loaded. SetThreadErrorMode would be of no use: what is inherited is the process' mode.
//
// Not with CREATE_DEFAULT_ERROR_MODE: who asks for the default gets it, with its boxes.
//
// Shared by the launcher and by the override DLL: no C runtime, no heap.
#pragma once

#include <cstdint>

#include "override/windows_api.h"

namespace strata::override {

inline constexpr uint32_t kQuietErrors = SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX;

// The mode that a new process inherits, and the one that it is to have.
struct ErrorModes {
    uint32_t quiet = 0;
    uint32_t right = 0;
};

struct ErrorModeCalls {
    decltype(&::GetErrorMode) get = ::GetErrorMode;
    decltype(&::SetErrorMode) set = ::SetErrorMode;
};

// In the new process: puts the right mode in the place of the one that was inherited. One that is
// neither is left alone.
void RestoreErrorMode(const ErrorModes& modes, const ErrorModeCalls& calls = {}) noexcept;

// For a new process that does not get the DLL after all: sets its mode from outside, as
// CreateProcess itself does for CREATE_DEFAULT_ERROR_MODE. What cannot be set stays quiet.
void GiveErrorMode(HANDLE process, const ErrorModes& modes) noexcept;

}  // namespace strata::override
