// The Win32-style functions, one by one: flags, results, errors; the last error is left alone on
// success. What Windows itself does with the same calls is the subject of tests/conformance.
#include <strata/heap_api.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "heap_api_fixture.h"
#include "support/model.h"

namespace {

using strata::test::FillPattern;
using strata::test::FindNonZero;
using strata::test::FindPatternBreak;
using strata::test::HeapApi;
using strata::test::kFailed;
using strata::test::kGarbage;
using strata::test::kUntouched;

TEST_F(HeapApi, Create) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(heap_) % 65536, 0u);
    for (const DWORD options : {0u, 1u, 4u, 0x10000u, 0x10005u}) {
        for (const SIZE_T initial : {0, 1, 65536, 1 << 20}) {
            const HANDLE heap = StrataHeapCreate(options, initial, 0);
            ASSERT_NE(heap, nullptr);
            ExpectError(kUntouched);
            EXPECT_TRUE(StrataHeapDestroy(heap));
        }
    }
}

TEST_F(HeapApi, CreateRefuses) {
    for (const SIZE_T much : {SIZE_MAX, SIZE_MAX - 70000, SIZE_T{1} << 50}) {
        EXPECT_EQ(StrataHeapCreate(0, much, 0), nullptr);
        ExpectError(ERROR_NOT_ENOUGH_MEMORY);
        EXPECT_EQ(StrataHeapCreate(0, 0, much), nullptr);
        ExpectError(ERROR_NOT_ENOUGH_MEMORY);
    }
}

TEST_F(HeapApi, Destroy) {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    void* const block = StrataHeapAlloc(heap, 0, 100);
    void* const large = StrataHeapAlloc(heap, 0, 1 << 20);
    EXPECT_TRUE(StrataHeapDestroy(heap));
    ExpectError(kUntouched);
    EXPECT_FALSE(StrataHeapDestroy(heap));
    ExpectError(ERROR_INVALID_HANDLE);
    EXPECT_FALSE(StrataHeapValidate(heap_, 0, block));
    EXPECT_FALSE(StrataHeapValidate(heap_, 0, large));
    EXPECT_FALSE(StrataHeapDestroy(StrataGetProcessHeap()));
    ExpectError(ERROR_INVALID_PARAMETER);
    StrataHeapFree(StrataGetProcessHeap(), 0, StrataHeapAlloc(StrataGetProcessHeap(), 0, 1));
}

TEST_F(HeapApi, GarbageHandles) {
    void* const block = StrataHeapAlloc(heap_, 0, 10);
    PROCESS_HEAP_ENTRY entry = {};
    STRATA_HEAP_SUMMARY_TYPE summary = {};
    summary.cb = sizeof summary;
    ULONG value = 0;
    for (const HANDLE garbage : kGarbage) {
        EXPECT_FALSE(StrataHeapDestroy(garbage));
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_EQ(StrataHeapAlloc(garbage, 0, 10), nullptr);
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_EQ(StrataHeapReAlloc(garbage, 0, block, 10), nullptr);
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapFree(garbage, 0, block));
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_EQ(StrataHeapSize(garbage, 0, block), kFailed);
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapValidate(garbage, 0, block));
        ExpectError(kUntouched);
        EXPECT_EQ(StrataHeapCompact(garbage, 0), 0u);
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapLock(garbage));
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapUnlock(garbage));
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapWalk(garbage, &entry));
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapSummary(garbage, 0, &summary));
        ExpectError(ERROR_INVALID_HANDLE);
        EXPECT_FALSE(StrataHeapQueryInformation(garbage, HeapCompatibilityInformation, &value,
                                                sizeof value, nullptr));
        ExpectError(garbage == nullptr ? ERROR_NOACCESS : ERROR_INVALID_HANDLE);
    }
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 10u) << "untouched by all of them";
}

TEST_F(HeapApi, Alloc) {
    for (const SIZE_T bytes : {0, 1, 16, 1000, 5000, 65536, 65537, 1 << 20, 40 << 20}) {
        void* const block = StrataHeapAlloc(heap_, 0, bytes);
        ASSERT_NE(block, nullptr) << bytes;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 16, 0u);
        EXPECT_EQ(StrataHeapSize(heap_, 0, block), bytes);
        std::memset(block, 0xFF, bytes);
        EXPECT_TRUE(StrataHeapFree(heap_, 0, block));
        void* const zero = StrataHeapAlloc(heap_, HEAP_ZERO_MEMORY, bytes);
        EXPECT_EQ(FindNonZero(zero, 0, bytes), bytes);
        EXPECT_TRUE(StrataHeapFree(heap_, HEAP_NO_SERIALIZE, zero));
    }
    ExpectError(kUntouched);
}

TEST_F(HeapApi, AllocFails) {
    for (const SIZE_T bytes : {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2 + 1, SIZE_MAX / 2}) {
        for (const HANDLE heap : {heap_, StrataGetProcessHeap()}) {
            EXPECT_EQ(StrataHeapAlloc(heap, 0, bytes), nullptr);
            ExpectError(ERROR_NOT_ENOUGH_MEMORY);
            EXPECT_EQ(StrataHeapAlloc(heap, HEAP_ZERO_MEMORY, bytes), nullptr);
            ExpectError(ERROR_NOT_ENOUGH_MEMORY);
        }
    }
}

TEST_F(HeapApi, ReAlloc) {
    void* block = StrataHeapAlloc(heap_, 0, 10);
    FillPattern(block, 10, 1);
    for (const SIZE_T bytes : {20, 1000, 70000, 40 << 20, 15, 10}) {
        block = StrataHeapReAlloc(heap_, 0, block, bytes);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(StrataHeapSize(heap_, 0, block), bytes);
        EXPECT_EQ(FindPatternBreak(block, 10, 1), 10u);
    }
    block = StrataHeapReAlloc(heap_, 0, block, 0);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 0u);
    EXPECT_EQ(StrataHeapReAlloc(heap_, 0, nullptr, 10), nullptr);
    ExpectError(NO_ERROR);
    StrataSetLastError(kUntouched);
    EXPECT_EQ(StrataHeapReAlloc(heap_, 0, block, SIZE_MAX), nullptr);
    ExpectError(ERROR_NOT_ENOUGH_MEMORY);
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 0u) << "as it was";
}

TEST_F(HeapApi, ReAllocZeroes) {
    for (const SIZE_T from : {0, 5, 100, 1100, 20481, 65536, 70000}) {
        for (const SIZE_T to : {1, 16, 1152, 5000, 22000, 65537, 200000}) {
            void* block = StrataHeapAlloc(heap_, 0, from);
            std::memset(block, 0xEE, from);
            block = StrataHeapReAlloc(heap_, HEAP_ZERO_MEMORY, block, to);
            ASSERT_NE(block, nullptr);
            const SIZE_T kept = std::min(from, to);
            EXPECT_EQ(FindNonZero(block, kept, to), to) << from << " to " << to;
            for (SIZE_T i = 0; i < kept; i += 97) {
                ASSERT_EQ(static_cast<unsigned char*>(block)[i], 0xEE);
            }
            StrataHeapFree(heap_, 0, block);
        }
    }
}

TEST_F(HeapApi, ReAllocInPlaceOnly) {
    void* const block = StrataHeapAlloc(heap_, 0, 1100);
    EXPECT_EQ(StrataHeapReAlloc(heap_, HEAP_REALLOC_IN_PLACE_ONLY, block, 1150), block);
    EXPECT_EQ(StrataHeapReAlloc(heap_, HEAP_REALLOC_IN_PLACE_ONLY, block, 3), block);
    ExpectError(kUntouched);
    EXPECT_EQ(StrataHeapReAlloc(heap_, HEAP_REALLOC_IN_PLACE_ONLY, block, 1 << 20), nullptr);
    ExpectError(ERROR_NOT_ENOUGH_MEMORY);
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 3u);
    void* const zeroed =
        StrataHeapReAlloc(heap_, HEAP_REALLOC_IN_PLACE_ONLY | HEAP_ZERO_MEMORY, block, 1000);
    EXPECT_EQ(zeroed, block);
    EXPECT_EQ(FindNonZero(block, 3, 1000), 1000u);
}

TEST_F(HeapApi, Free) {
    EXPECT_TRUE(StrataHeapFree(heap_, 0, nullptr));
    for (const SIZE_T bytes : {0, 100, 70000, 40 << 20}) {
        void* const block = StrataHeapAlloc(heap_, 0, bytes);
        std::thread([&] {
            StrataSetLastError(kUntouched);
            EXPECT_TRUE(StrataHeapFree(heap_, 0, block));
            ExpectError(kUntouched);
        }).join();
        EXPECT_FALSE(StrataHeapValidate(heap_, 0, block));
    }
}

TEST_F(HeapApi, SizeOfWhatIsNoBlock) {
    char* const block = static_cast<char*>(StrataHeapAlloc(heap_, 0, 100));
    int on_stack = 0;
    for (const void* pointer :
         {static_cast<const void*>(nullptr), static_cast<const void*>(&on_stack),
          static_cast<const void*>(block + 1), static_cast<const void*>(block + 16),
          reinterpret_cast<const void*>(-1)}) {
        EXPECT_EQ(StrataHeapSize(heap_, 0, pointer), kFailed);
    }
    EXPECT_EQ(StrataHeapSize(StrataGetProcessHeap(), 0, block), kFailed) << "another heap's";
    StrataHeapFree(heap_, 0, block);
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), kFailed);
    ExpectError(kUntouched);
}

TEST_F(HeapApi, Validate) {
    EXPECT_TRUE(StrataHeapValidate(heap_, 0, nullptr)) << "empty";
    char* const block = static_cast<char*>(StrataHeapAlloc(heap_, 0, 100));
    char* const run = static_cast<char*>(StrataHeapAlloc(heap_, 0, 1 << 20));
    EXPECT_TRUE(StrataHeapValidate(heap_, 0, block));
    EXPECT_TRUE(StrataHeapValidate(heap_, HEAP_NO_SERIALIZE, run));
    EXPECT_TRUE(StrataHeapValidate(heap_, 0, nullptr));
    for (const char* pointer : {block + 1, block + 112, run + 65536, run - 1}) {
        EXPECT_FALSE(StrataHeapValidate(heap_, 0, pointer));
    }
    EXPECT_FALSE(StrataHeapValidate(StrataGetProcessHeap(), 0, block));
    EXPECT_FALSE(StrataHeapValidate(StrataGetProcessHeap(), 0, run));
    StrataHeapFree(heap_, 0, block);
    StrataHeapFree(heap_, 0, run);
    EXPECT_FALSE(StrataHeapValidate(heap_, 0, block));
    EXPECT_FALSE(StrataHeapValidate(heap_, 0, run));
    ExpectError(kUntouched);
}

}  // namespace
