// The program's own handler hears of errors before they end it.
#include <gtest/gtest.h>
#include <strata/strata.h>

#include <cstdio>

#include "support/death.h"

namespace strata {
namespace {

class ReportHandlerDeathTest : public test::DeathTest {};

TEST_F(ReportHandlerDeathTest, HearsOfAFatalError) {
    static const char kName[] = "handler";
    EXPECT_FATAL(
        {
            strata_set_report_handler(
                [](void* context, const char* text, size_t length) {
                    std::fprintf(stderr, "%s hears %.*s", static_cast<const char*>(context),
                                 static_cast<int>(length), text);
                },
                const_cast<char*>(kName));
            void* const block = strata_malloc(100);
            strata_free(block);
            strata_free(block);
        },
        "handler hears strata: fatal: double free of block");
}

}  // namespace
}  // namespace strata
