// Runs every row under callgrind, for run_counts.py:
//
//   strata_counts --build    says what the figures depend on
//   valgrind --tool=callgrind --collect-atstart=no strata_counts
//
// The latter says how many operations each row has, and makes callgrind dump its counts after each,
// with the row's name.
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "counts.h"

// A clock that stands still, in the place of the C library's. Strata asks for the time now and
// then, to let memory go that has long been free; here that would come earlier or later from run to
// run.
extern "C" int clock_gettime(clockid_t, timespec* now) noexcept {
    *now = {.tv_sec = 1000, .tv_nsec = 0};
    return 0;
}

namespace strata::counts {

namespace {

// In a process of its own, so that no row finds the heap as another has left it.
bool Run(const Row& row) {
    std::printf("row %s %zu\n", row.name, row.operations);
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == -1) return false;
    if (child == 0) {
        row.run();
        CALLGRIND_ZERO_STATS;
        row.run();
        CALLGRIND_DUMP_STATS_AT(row.name);
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && status == 0;
}

int SayBuild() {
    std::printf("compiler %s\nbuild-type %s\nflags %s\n", STRATA_COUNTS_COMPILER,
                STRATA_COUNTS_BUILD_TYPE, STRATA_COUNTS_FLAGS);
    return 0;
}

int RunAll() {
    for (const Row* rows : {kMallocRows, kHeapRows}) {
        for (; rows->name != nullptr; ++rows) {
            if (Run(*rows)) continue;
            std::fprintf(stderr, "row %s did not run to its end\n", rows->name);
            return 1;
        }
    }
    return 0;
}

}  // namespace

}  // namespace strata::counts

int main(int count, char** arguments) {
    if (count == 2 && std::strcmp(arguments[1], "--build") == 0) return strata::counts::SayBuild();
    return count == 1 ? strata::counts::RunAll() : 2;
}
