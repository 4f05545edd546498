#include "base/prefetch.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace strata {
namespace {

TEST(Prefetch, ChangesNothingAndTakesAnyAddress) {
    uint64_t words[16] = {1, 2, 3};
    PrefetchForWrite(words);
    PrefetchForWrite(&words[15]);
    EXPECT_EQ(words[0] + words[1] + words[2], 6u);
    static const char constant = 'c';
    PrefetchForWrite(&constant);
    // None of these can be read.
    PrefetchForWrite(nullptr);
    PrefetchForWrite(reinterpret_cast<const void*>(uintptr_t{16}));
    PrefetchForWrite(reinterpret_cast<const void*>(UINTPTR_MAX));
    PrefetchForWrite(reinterpret_cast<const void*>(uintptr_t{1} << 63));
}

}  // namespace
}  // namespace strata
