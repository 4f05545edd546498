// Linked into every program of tools/coverage.sh: what ends a process without the C runtime's end
// (os::FailFast, _exit) writes the counters first. The linker leads the calls here (--wrap).
#include <cstddef>

extern "C" {
void __gcov_dump(void);
// Weak: programs without the allocator have none.
__attribute__((weak)) [[noreturn]] void __real__ZN6strata2os8FailFastEv();
// Weak: a fuzzer that traps fatal errors has its own.
__attribute__((weak)) [[noreturn]] void __wrap__ZN6strata2os8FailFastEv() {
    __gcov_dump();
    __real__ZN6strata2os8FailFastEv();
}
[[noreturn]] void __real__exit(int code);
[[noreturn]] void __wrap__exit(int code) {
    __gcov_dump();
    __real__exit(code);
}
[[noreturn]] void __real__Exit(int code);
[[noreturn]] void __wrap__Exit(int code) {
    __gcov_dump();
    __real__Exit(code);
}
}
