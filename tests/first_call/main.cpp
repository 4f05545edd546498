#include <cstdio>
#include <cstring>

#include "cases.h"

namespace {

struct Case {
    const char* name;
    int (*run)();
};

constexpr Case kCases[] = {
    {"late_threads", strata::first_call::LateThreads},
};

}  // namespace

int main(int count, char** arguments) {
    for (const Case& each : kCases) {
        if (count == 2 && std::strcmp(arguments[1], each.name) == 0) return each.run();
    }
    std::printf("one of these:\n");
    for (const Case& each : kCases) std::printf("  %s\n", each.name);
    return 2;
}
