#include <gtest/gtest.h>

#include <cstring>

#include "children.h"

int main(int count, char** arguments) {
    constexpr char kChild[] = "--child=";
    if (count == 2 && std::strncmp(arguments[1], kChild, sizeof kChild - 1) == 0) {
        const auto& all = strata::life::Registered::All();
        const auto found = all.find(arguments[1] + sizeof kChild - 1);
        return found == all.end() ? 125 : found->second();
    }
    testing::InitGoogleTest(&count, arguments);
    return RUN_ALL_TESTS();
}
