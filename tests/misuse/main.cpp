// One misuse of the heap per run:
//
//   strata_misuse --list     the names of all cases
//   strata_misuse <case>     says on standard output what has to appear on standard error, does it
//
// run_misuse.py holds the two against each other, and checks that the process ended as it should.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cases.h"

int main(int count, char** arguments) {
    using namespace strata::misuse;
    if (count != 2) return 2;
    const bool list = std::strcmp(arguments[1], "--list") == 0;
    const bool paged = std::getenv("STRATA_PAGE_HEAP") != nullptr;
    for (const Case* cases : {kNoMisuse, kDoubleFrees, kBadPointers, kUsesAfterFree, kHeapMixUps,
                              kHardened, kGuarded}) {
        if (list && paged != (cases == kGuarded)) continue;
        for (; cases->name != nullptr; ++cases) {
            if (list) std::puts(cases->name);
            if (std::strcmp(arguments[1], cases->name) != 0) continue;
            cases->run();
            return 0;
        }
    }
    return list ? 0 : 3;
}
