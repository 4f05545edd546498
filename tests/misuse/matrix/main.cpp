// strata_misuse_matrix --list              the numbers of all rows
// strata_misuse_matrix ROW SIZE THREAD     SIZE: small, medium, large; THREAD: same, other
//
// One misuse of the heap per run; matrix.h says what it prints.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "matrix.h"

int main(int count, char** arguments) {
    using namespace strata::misuse;
    constexpr const char* kSizes[] = {"small", "medium", "large"};
    constexpr size_t kBytes[] = {40, 3000, 100000};
    const Row* const lists[] = {kFreeRows, kOverflowRows, kOtherRows};
    if (count == 2 && std::strcmp(arguments[1], "--list") == 0) {
        for (const Row* rows : lists) {
            for (; rows->run != nullptr; ++rows) std::printf("%d\n", rows->number);
        }
        return 0;
    }
    if (count != 4) return 2;
    Run run{-1, 0, std::strcmp(arguments[3], "other") == 0};
    for (int i = 0; i < 3; ++i) {
        if (std::strcmp(arguments[2], kSizes[i]) == 0) run.size = i;
    }
    if (run.size < 0) return 2;
    run.bytes = kBytes[run.size];
    for (const Row* rows : lists) {
        for (; rows->run != nullptr; ++rows) {
            if (rows->number != std::atoi(arguments[1])) continue;
            strata_free(Malloc(1));  // the heap is there, and an arena
            StartHelper();
            rows->run(run);
            std::fflush(stdout);
            return 0;
        }
    }
    return 3;
}
