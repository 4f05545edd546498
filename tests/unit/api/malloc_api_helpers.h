// What the tests of the malloc-style functions share.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>

#include "os/process.h"
#include "support/model.h"

namespace strata::test {

inline constexpr uint32_t kNotEnoughMemory = 8;
inline constexpr uint32_t kInvalidParameter = 87;

inline bool IsAligned(const void* block, size_t alignment) {
    return reinterpret_cast<uintptr_t>(block) % alignment == 0;
}

// Expects that `body` returns NULL and marks its error, and touches it in no other case.
template <typename F>
void ExpectFailure(uint32_t error, F body) {
    os::SetLastErrorCode(0);
    errno = 0;
    EXPECT_EQ(body(), nullptr);
    EXPECT_EQ(os::GetLastErrorCode(), error);
#ifndef _WIN32
    EXPECT_EQ(errno, error == kInvalidParameter ? EINVAL : ENOMEM);
#endif
}

class KeepsErrors {
public:
    KeepsErrors() {
        errno = 42;
        os::SetLastErrorCode(4711);
    }
    ~KeepsErrors() {
        EXPECT_EQ(errno, 42);
        EXPECT_EQ(os::GetLastErrorCode(), 4711u);
    }
};

}  // namespace strata::test
