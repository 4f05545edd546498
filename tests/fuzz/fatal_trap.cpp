#include "fatal_trap.h"

#include <csignal>
#include <cstddef>
#include <cstdio>

namespace strata::fuzz {

namespace {
thread_local std::jmp_buf* t_return = nullptr;
}

std::jmp_buf*& FatalReturn() { return t_return; }

}  // namespace strata::fuzz

#ifdef STRATA_FUZZ_TRAPS_FATAL
// The names that the linker gives calls of a wrapped function: os::FailFast() and
// os::WriteStandardError(const char*, size_t).
extern "C" {
[[noreturn]] void __wrap__ZN6strata2os8FailFastEv() {
    if (strata::fuzz::t_return != nullptr) std::longjmp(*strata::fuzz::t_return, 1);
    std::raise(SIGABRT);
    __builtin_trap();
}

void __wrap__ZN6strata2os18WriteStandardErrorEPKcm(const char* text, size_t length) {
    if (strata::fuzz::t_return == nullptr) std::fwrite(text, 1, length, stderr);
}
}
#endif
