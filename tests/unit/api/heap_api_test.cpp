// The Win32-style functions, one by one: flags, results, errors; the last error is left alone on
// success. What Windows itself does with the same calls is the subject of tests/conformance.
#include <strata/heap_api.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "support/model.h"

namespace {

using strata::test::FillPattern;
using strata::test::FindNonZero;
using strata::test::FindPatternBreak;

constexpr SIZE_T kFailed = static_cast<SIZE_T>(-1);
constexpr DWORD kUntouched = 4711;

const HANDLE kGarbage[] = {nullptr, reinterpret_cast<HANDLE>(1), reinterpret_cast<HANDLE>(-1),
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
    EXPECT_EQ(StrataHeapCreate(0, 2 << 20, 1 << 20), nullptr);
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_EQ(StrataHeapCreate(0, 0, 1 << 20), nullptr);
    ExpectError(ERROR_NOT_SUPPORTED);
    EXPECT_EQ(StrataHeapCreate(HEAP_CREATE_ENABLE_EXECUTE, 0, 0), nullptr);
    ExpectError(ERROR_NOT_SUPPORTED);
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
        ExpectError(ERROR_INVALID_HANDLE);
    }
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 10u) << "untouched by all of them";
}

TEST_F(HeapApi, Alloc) {
    for (const SIZE_T bytes : {0, 1, 16, 1000, 5000, 65536, 65537, 1 << 20, 20 << 20}) {
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
    for (const SIZE_T bytes : {20, 1000, 70000, 20 << 20, 15, 10}) {
        block = StrataHeapReAlloc(heap_, 0, block, bytes);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(StrataHeapSize(heap_, 0, block), bytes);
        EXPECT_EQ(FindPatternBreak(block, 10, 1), 10u);
    }
    block = StrataHeapReAlloc(heap_, 0, block, 0);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 0u);
    EXPECT_EQ(StrataHeapReAlloc(heap_, 0, nullptr, 10), nullptr);
    ExpectError(kUntouched);
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
    for (const SIZE_T bytes : {0, 100, 70000, 20 << 20}) {
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

TEST_F(HeapApi, Compact) {
    void* const block = StrataHeapAlloc(heap_, 0, 3000);
    StrataHeapAlloc(heap_, 0, 3000);
    StrataHeapFree(heap_, 0, block);
    EXPECT_GE(StrataHeapCompact(heap_, 0), 3000u);
    ExpectError(kUntouched);
    const HANDLE empty = StrataHeapCreate(0, 0, 0);
    EXPECT_EQ(StrataHeapCompact(empty, 0), 0u);
    ExpectError(NO_ERROR);
    StrataHeapDestroy(empty);
}

TEST_F(HeapApi, LockAndUnlock) {
    EXPECT_TRUE(StrataHeapLock(heap_));
    EXPECT_TRUE(StrataHeapLock(heap_)) << "recursive";
    void* const block = StrataHeapAlloc(heap_, 0, 70000);
    std::atomic<bool> done{false};
    std::thread other([&] {
        StrataHeapFree(heap_, 0, StrataHeapAlloc(heap_, 0, 100000));
        done = true;
    });
    EXPECT_TRUE(StrataHeapUnlock(heap_));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(done);
    EXPECT_TRUE(StrataHeapUnlock(heap_));
    other.join();
    EXPECT_FALSE(StrataHeapUnlock(heap_)) << "not held";
    StrataHeapFree(heap_, 0, block);
}

std::map<void*, SIZE_T> Walk(HANDLE heap, size_t* regions = nullptr) {
    std::map<void*, SIZE_T> busy;
    PROCESS_HEAP_ENTRY entry = {};
    uintptr_t region_end = 0;
    while (StrataHeapWalk(heap, &entry)) {
        const uintptr_t address = reinterpret_cast<uintptr_t>(entry.lpData);
        if ((entry.wFlags & PROCESS_HEAP_REGION) != 0) {
            EXPECT_EQ(entry.wFlags, PROCESS_HEAP_REGION);
            EXPECT_GE(address, region_end);
            EXPECT_GT(entry.Region.dwCommittedSize, 0u);
            region_end = address + entry.Region.dwCommittedSize + entry.Region.dwUnCommittedSize;
            if (regions != nullptr) ++*regions;
            continue;
        }
        EXPECT_LE(address + entry.cbData, region_end);
        if ((entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0) {
            EXPECT_TRUE(busy.emplace(entry.lpData, entry.cbData).second);
        }
    }
    EXPECT_EQ(StrataGetLastError(), static_cast<DWORD>(ERROR_NO_MORE_ITEMS));
    StrataSetLastError(kUntouched);
    return busy;
}

TEST_F(HeapApi, Walk) {
    EXPECT_TRUE(Walk(heap_).empty());
    std::map<void*, SIZE_T> expected;
    for (SIZE_T bytes = 0; bytes < 200000; bytes = bytes * 5 / 4 + 1) {
        expected[StrataHeapAlloc(heap_, 0, bytes)] = bytes;
    }
    size_t regions = 0;
    EXPECT_EQ(Walk(heap_, &regions), expected);
    EXPECT_GT(regions, 10u);
    StrataHeapFree(heap_, 0, expected.begin()->first);
    expected.erase(expected.begin());
    EXPECT_TRUE(StrataHeapLock(heap_));
    EXPECT_EQ(Walk(heap_), expected);
    EXPECT_TRUE(StrataHeapUnlock(heap_));
    EXPECT_FALSE(StrataHeapWalk(heap_, nullptr));
    ExpectError(ERROR_INVALID_PARAMETER);
}

TEST_F(HeapApi, Summary) {
    STRATA_HEAP_SUMMARY_TYPE summary = {};
    EXPECT_FALSE(StrataHeapSummary(heap_, 0, &summary)) << "cb is not set";
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_FALSE(StrataHeapSummary(heap_, 0, nullptr));
    ExpectError(ERROR_INVALID_PARAMETER);
    summary.cb = sizeof summary;
    EXPECT_TRUE(StrataHeapSummary(heap_, 0, &summary));
    EXPECT_EQ(summary.cbAllocated, 0u);
    StrataHeapAlloc(heap_, 0, 1000);
    StrataHeapAlloc(heap_, 0, 100000);
    EXPECT_TRUE(StrataHeapSummary(heap_, 0, &summary));
    EXPECT_EQ(summary.cbAllocated, 101000u);
    EXPECT_GE(summary.cbCommitted, 101000u);
    EXPECT_GE(summary.cbReserved, summary.cbCommitted);
    EXPECT_GE(summary.cbMaxReserve, summary.cbReserved);
    ExpectError(kUntouched);
}

TEST_F(HeapApi, SetInformation) {
    ULONG value = 2;
    EXPECT_TRUE(
        StrataHeapSetInformation(heap_, HeapCompatibilityInformation, &value, sizeof value));
    EXPECT_TRUE(StrataHeapSetInformation(nullptr, HeapEnableTerminationOnCorruption, nullptr, 0));
    EXPECT_TRUE(StrataHeapSetInformation(heap_, HeapEnableTerminationOnCorruption, nullptr, 0));
    ExpectError(kUntouched);
    value = 0;
    EXPECT_FALSE(
        StrataHeapSetInformation(heap_, HeapCompatibilityInformation, &value, sizeof value));
    ExpectError(ERROR_GEN_FAILURE);
    EXPECT_FALSE(StrataHeapSetInformation(heap_, HeapCompatibilityInformation, &value, 1));
    ExpectError(ERROR_INSUFFICIENT_BUFFER);
    EXPECT_FALSE(StrataHeapSetInformation(heap_, HeapCompatibilityInformation, nullptr, 4));
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_FALSE(StrataHeapSetInformation(heap_, static_cast<HEAP_INFORMATION_CLASS>(77), &value,
                                          sizeof value));
    ExpectError(ERROR_INVALID_PARAMETER);
}

TEST_F(HeapApi, SetInformationOptimizesResources) {
    // { version 1, flags 0 }, for one heap or for all.
    DWORD information[2] = {1, 0};
    const auto optimize = static_cast<HEAP_INFORMATION_CLASS>(3);
    for (int i = 0; i < 100; ++i) StrataHeapFree(heap_, 0, StrataHeapAlloc(heap_, 0, 50000));
    EXPECT_TRUE(StrataHeapSetInformation(heap_, optimize, information, sizeof information));
    EXPECT_TRUE(StrataHeapSetInformation(nullptr, optimize, information, sizeof information));
    ExpectError(kUntouched);
    EXPECT_TRUE(StrataHeapValidate(heap_, 0, nullptr));
}

TEST_F(HeapApi, QueryInformation) {
    ULONG value = 77;
    SIZE_T length = 0;
    EXPECT_TRUE(StrataHeapQueryInformation(heap_, HeapCompatibilityInformation, &value,
                                           sizeof value, &length));
    EXPECT_EQ(value, 2u) << "the low-fragmentation heap";
    EXPECT_EQ(length, sizeof value);
    ExpectError(kUntouched);
    EXPECT_FALSE(
        StrataHeapQueryInformation(heap_, HeapCompatibilityInformation, &value, 1, &length));
    ExpectError(ERROR_INSUFFICIENT_BUFFER);
    EXPECT_EQ(length, sizeof value);
    EXPECT_FALSE(StrataHeapQueryInformation(heap_, static_cast<HEAP_INFORMATION_CLASS>(77), &value,
                                            sizeof value, &length));
    ExpectError(ERROR_INVALID_PARAMETER);
}

TEST_F(HeapApi, GetProcessHeap) {
    const HANDLE heap = StrataGetProcessHeap();
    EXPECT_NE(heap, nullptr);
    EXPECT_EQ(StrataGetProcessHeap(), heap);
    EXPECT_NE(heap, heap_);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(heap) % 65536, 0u);
    ExpectError(kUntouched);
}

TEST_F(HeapApi, GetProcessHeaps) {
    const DWORD count = StrataGetProcessHeaps(0, nullptr);
    EXPECT_GE(count, 2u);
    std::vector<HANDLE> heaps(count);
    EXPECT_EQ(StrataGetProcessHeaps(count, heaps.data()), count);
    EXPECT_EQ(heaps[0], StrataGetProcessHeap());
    EXPECT_EQ(std::count(heaps.begin(), heaps.end(), heap_), 1);
    const HANDLE another = StrataHeapCreate(0, 0, 0);
    EXPECT_EQ(StrataGetProcessHeaps(0, nullptr), count + 1);
    StrataHeapDestroy(another);
    EXPECT_EQ(StrataGetProcessHeaps(0, nullptr), count);
    ExpectError(kUntouched);
}

#ifdef _WIN32
// HEAP_GENERATE_EXCEPTIONS: a vectored handler notes the exception and leaves it. It is never removed:
// the system takes a handler that was left by a jump for one that still runs.
void* g_after[5];
bool g_armed = false;
DWORD g_code;

LONG CALLBACK NoteException(EXCEPTION_POINTERS* exception) {
    if (!g_armed) return EXCEPTION_CONTINUE_SEARCH;
    g_armed = false;
    g_code = exception->ExceptionRecord->ExceptionCode;
    __builtin_longjmp(g_after, 1);
}

// The code of the exception that `body` raises; 0 when it does not.
template <typename F>
DWORD CodeOf(F body) {
    static void* const handler = AddVectoredExceptionHandler(1, &NoteException);
    EXPECT_NE(handler, nullptr);
    g_code = 0;
    g_armed = true;
    if (__builtin_setjmp(g_after) == 0) body();
    g_armed = false;
    return g_code;
}

TEST_F(HeapApi, GenerateExceptions) {
    const DWORD no_memory = 0xC0000017;
    EXPECT_EQ(CodeOf([&] { StrataHeapAlloc(heap_, HEAP_GENERATE_EXCEPTIONS, SIZE_MAX); }),
              no_memory);
    const HANDLE raising = StrataHeapCreate(HEAP_GENERATE_EXCEPTIONS, 0, 0);
    void* const block = StrataHeapAlloc(raising, 0, 100);
    EXPECT_NE(block, nullptr);
    EXPECT_EQ(CodeOf([&] { StrataHeapAlloc(raising, 0, SIZE_MAX); }), no_memory);
    EXPECT_EQ(CodeOf([&] { StrataHeapReAlloc(raising, 0, block, SIZE_MAX); }), no_memory);
    EXPECT_EQ(StrataHeapSize(raising, 0, block), 100u);
    EXPECT_TRUE(StrataHeapDestroy(raising));
}
#endif

}  // namespace
