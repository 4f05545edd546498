// Word of accesses to memory that is not there, before the program or the system hears of them.
#pragma once

#include <cstdint>

#include "os/stack.h"

namespace strata::os {

struct Fault {
    enum class Kind : uint8_t { kRead, kWrite, kExecute };
    Kind kind = Kind::kRead;
    const void* address = nullptr;
    const void* code = nullptr;  // the instruction
    StackTrace stack = {};       // of the thread, from the instruction outwards where that is known
};

// Says whether the address is known at all: everything else goes on untouched, and no stack is
// taken down.
using FaultFilter = bool (*)(const void* address) noexcept;
// Called for an address that the filter knows; the fault then goes on to whoever else wants it, as
// if nobody had looked: a handler of the program, the debugger, the system's error reporting.
using FaultReporter = void (*)(const Fault& fault) noexcept;

// A vectored exception handler on Windows, a signal handler in front of the program's elsewhere.
// Call it once. False when the system refuses.
bool WatchFaults(FaultFilter filter, FaultReporter reporter) noexcept;

}  // namespace strata::os
