// Parts of a test that run in a process of their own, which must end in time and with the right
// code.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace strata::life {

using Child = int (*)();

// At file scope: const Registered kName("name", [] { …; return 0; });
struct Registered {
    Registered(const char* name, Child child) { All()[name] = child; }
    static std::map<std::string, Child>& All();
};

inline constexpr uint32_t kTimedOut = 0xDEAD;

// Runs the child in a new process of this program; its exit code, or kTimedOut: it was ended after
// `seconds`. Its standard error is this program's.
uint32_t RunChild(const char* name, unsigned seconds = 60);

// Whether that is the code of a fatal error.
bool IsFailFast(uint32_t code);

// For a child that may come to wait for ever: ends it with kHung when there is no progress for so
// long; or with kSystemHung, when not even VirtualAlloc returns.
void EndWhenHung(unsigned seconds);
void Progress();
inline constexpr uint32_t kHung = 111;
inline constexpr uint32_t kSystemHung = 112;

// A number in [0, bound); another one each time.
uint32_t Random(uint32_t bound);

// Spins, as Sleep is too coarse.
void WaitMicroseconds(uint32_t microseconds);

}  // namespace strata::life
