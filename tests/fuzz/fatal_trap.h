// Lets a program go on after a fatal error: the linker leads the calls of os::FailFast and
// os::WriteStandardError here (--wrap), so that a fuzzer can make one mistake after another in one
// process. Fatal errors hold no lock of what the operations here use, so nothing is left half done.
#pragma once

#include <csetjmp>
#include <utility>

namespace strata::fuzz {

#ifdef STRATA_FUZZ_TRAPS_FATAL
inline constexpr bool kTrapsFatal = true;
#else
inline constexpr bool kTrapsFatal = false;
#endif

// Where the calling thread goes on after a fatal error; nullptr: it ends the process.
std::jmp_buf*& FatalReturn();

// True when `operation()` ended in a fatal error.
template <typename Operation>
bool EndsFatally(Operation operation) {
    std::jmp_buf here;
    std::jmp_buf*& place = FatalReturn();
    if (setjmp(here) != 0) {
        place = nullptr;
        return true;
    }
    place = &here;
    std::move(operation)();
    place = nullptr;
    return false;
}

}  // namespace strata::fuzz
