// A heap for each test of the Win32-style functions, and a look at the last error.
#pragma once

#include <strata/heap_api.h>

#include <gtest/gtest.h>

namespace strata::test {

inline constexpr SIZE_T kFailed = static_cast<SIZE_T>(-1);
inline constexpr DWORD kUntouched = 4711;

inline const HANDLE kGarbage[] = {nullptr, reinterpret_cast<HANDLE>(1),
                                  reinterpret_cast<HANDLE>(-1),
                                  reinterpret_cast<HANDLE>(0x12340000)};

class HeapApi : public testing::Test {
protected:
    void SetUp() override {
        heap_ = StrataHeapCreate(0, 0, 0);
        ASSERT_NE(heap_, nullptr);
        StrataSetLastError(kUntouched);
    }
    void TearDown() override {
        if (heap_ != nullptr) {
            EXPECT_TRUE(StrataHeapDestroy(heap_));
        }
    }
    static void ExpectError(DWORD error) {
        EXPECT_EQ(StrataGetLastError(), error);
        StrataSetLastError(kUntouched);
    }

    HANDLE heap_ = nullptr;
};

}  // namespace strata::test
