// Linked into every program of tools/coverage.sh: what ends a process without the C runtime's end
// (a signal whose default that is, _exit) writes the counters first. The linker leads the calls
// here (--wrap).
#if !defined(_WIN32)
#include <signal.h>
#endif

extern "C" {
void __gcov_dump(void);
void __gcov_reset(void);

// Counting goes on, should the process do so after all.
static void Write() {
    __gcov_dump();
    __gcov_reset();
}

#if defined(_WIN32)
// Weak: programs without the allocator have none.
__attribute__((weak)) [[noreturn]] void __real__ZN6strata2os8FailFastEv();
[[noreturn]] void __wrap__ZN6strata2os8FailFastEv() {
    Write();
    __real__ZN6strata2os8FailFastEv();
}
#else
// Whoever gives a signal its default back is about to die of it.
int __real_sigaction(int signal, const struct sigaction* action, struct sigaction* former);
int __wrap_sigaction(int signal, const struct sigaction* action, struct sigaction* former) {
    if (action != nullptr && action->sa_handler == SIG_DFL) Write();
    return __real_sigaction(signal, action, former);
}
int __real_raise(int signal);
int __wrap_raise(int signal) {
    Write();
    return __real_raise(signal);
}
#endif
[[noreturn]] void __real__exit(int code);
[[noreturn]] void __wrap__exit(int code) {
    Write();
    __real__exit(code);
}
[[noreturn]] void __real__Exit(int code);
[[noreturn]] void __wrap__Exit(int code) {
    Write();
    __real__Exit(code);
}
}
