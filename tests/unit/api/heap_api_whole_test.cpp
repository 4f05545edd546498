// The Win32-style functions for whole heaps: compaction, locks, walks, summaries, information, and
// the exceptions that a heap may be asked for.
#include <strata/heap_api.h>

#include <gtest/gtest.h>

#include <strata/strata.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include "heap_api_fixture.h"

namespace {

using strata::test::HeapApi;
using strata::test::kUntouched;

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
    ExpectError(288);  // ERROR_NOT_OWNER
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
            EXPECT_GT(entry.Region.dwCommittedSize, 0u);
            region_end = address + entry.Region.dwCommittedSize + entry.Region.dwUnCommittedSize;
            if (regions != nullptr) ++*regions;
            continue;
        }
        constexpr BYTE kLargeBlock = 64;
        if (entry.iRegionIndex == kLargeBlock) {
            EXPECT_EQ(entry.cbOverhead, 0);
            EXPECT_EQ(address % 65536, 0u);
        } else {
            EXPECT_LE(address + entry.cbData, region_end);
        }
        if ((entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0) {
            EXPECT_TRUE(busy.emplace(entry.lpData, entry.cbData).second);
        }
    }
    EXPECT_EQ(StrataGetLastError(), static_cast<DWORD>(ERROR_NO_MORE_ITEMS));
    StrataSetLastError(kUntouched);
    return busy;
}

TEST_F(HeapApi, Walk) {
    size_t regions = 0;
    strata_purge();  // or a new heap might have slabs of one that ended
    const HANDLE empty = StrataHeapCreate(0, 0, 0);
    EXPECT_TRUE(Walk(empty, &regions).empty());
    EXPECT_EQ(regions, 1u) << "no heap is without";
    PROCESS_HEAP_ENTRY first = {};
    EXPECT_TRUE(StrataHeapWalk(empty, &first));
    EXPECT_EQ(first.lpData, empty) << "the heap's own record";
    EXPECT_TRUE(StrataHeapWalk(empty, &first));
    EXPECT_EQ(first.wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    EXPECT_FALSE(StrataHeapWalk(empty, &first));
    ExpectError(ERROR_NO_MORE_ITEMS);
    EXPECT_TRUE(StrataHeapDestroy(empty));
    std::map<void*, SIZE_T> expected;
    for (SIZE_T bytes = 0; bytes < 200000; bytes = bytes * 5 / 4 + 1) {
        expected[StrataHeapAlloc(heap_, 0, bytes)] = bytes;
    }
    regions = 0;
    EXPECT_EQ(Walk(heap_, &regions), expected);
    EXPECT_GE(regions, 1u);
    first = {};
    EXPECT_TRUE(StrataHeapWalk(heap_, &first));
    EXPECT_EQ(first.wFlags, PROCESS_HEAP_REGION);
    EXPECT_NE(first.lpData, heap_);
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

TEST_F(HeapApi, HeapsThatCannotHaveLowFragmentation) {
    ULONG value = 2;
    for (const HANDLE heap :
         {StrataHeapCreate(HEAP_NO_SERIALIZE, 0, 0), StrataHeapCreate(0, 0, 1 << 20),
          StrataHeapCreate(HEAP_TAIL_CHECKING_ENABLED, 0, 0)}) {
        EXPECT_FALSE(
            StrataHeapSetInformation(heap, HeapCompatibilityInformation, &value, sizeof value));
        ExpectError(ERROR_INVALID_PARAMETER);
        for (int i = 0; i < 100; ++i) StrataHeapAlloc(heap, 0, 100);
        ULONG mode = 77;
        EXPECT_TRUE(StrataHeapQueryInformation(heap, HeapCompatibilityInformation, &mode,
                                               sizeof mode, nullptr));
        EXPECT_EQ(mode, 0u);
        EXPECT_TRUE(StrataHeapDestroy(heap));
    }
}

TEST_F(HeapApi, AHeapWithoutSerialisationIsNotLocked) {
    const HANDLE heap = StrataHeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    EXPECT_TRUE(StrataHeapLock(heap));
    std::thread([&] { EXPECT_NE(StrataHeapAlloc(heap, 0, 100000), nullptr); }).join();
    StrataSetLastError(kUntouched);
    EXPECT_TRUE(StrataHeapUnlock(heap));
    EXPECT_TRUE(StrataHeapUnlock(heap)) << "nothing to be held";
    ExpectError(kUntouched);
    EXPECT_TRUE(StrataHeapDestroy(heap));
}

TEST_F(HeapApi, SetInformationOptimizesResources) {
    // { version 1, flags 0 }, for one heap or for all.
    DWORD information[2] = {1, 0};
    const auto optimize = static_cast<HEAP_INFORMATION_CLASS>(3);
    for (int i = 0; i < 100; ++i) StrataHeapFree(heap_, 0, StrataHeapAlloc(heap_, 0, 50000));
    EXPECT_TRUE(StrataHeapSetInformation(heap_, optimize, information, sizeof information));
    EXPECT_TRUE(StrataHeapSetInformation(nullptr, optimize, information, sizeof information));
    ExpectError(kUntouched);
    EXPECT_FALSE(StrataHeapSetInformation(heap_, optimize, information, 4));
    ExpectError(ERROR_INSUFFICIENT_BUFFER);
    EXPECT_FALSE(StrataHeapSetInformation(heap_, optimize, nullptr, 0));
    ExpectError(ERROR_INVALID_PARAMETER);
    information[0] = 2;
    EXPECT_FALSE(StrataHeapSetInformation(heap_, optimize, information, sizeof information));
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_TRUE(StrataHeapValidate(heap_, 0, nullptr));
}

TEST_F(HeapApi, QueryInformation) {
    ULONG value = 77;
    SIZE_T length = 0;
    EXPECT_TRUE(StrataHeapQueryInformation(heap_, HeapCompatibilityInformation, &value,
                                           sizeof value, &length));
    EXPECT_EQ(value, 0u) << "a standard heap at first";
    EXPECT_EQ(length, sizeof value);
    for (int i = 0; i < 18; ++i) StrataHeapAlloc(heap_, 0, 100);
    EXPECT_TRUE(StrataHeapQueryInformation(heap_, HeapCompatibilityInformation, &value,
                                           sizeof value, nullptr));
    EXPECT_EQ(value, 2u) << "the low-fragmentation heap when it is used";
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
// HEAP_GENERATE_EXCEPTIONS: each call is made on a thread of its own. A vectored handler notes the
// exception and ends that thread, as nothing can go on behind an exception that cannot be continued
// and not every compiler here has __try.
DWORD g_raising_thread = 0;
DWORD g_code = 0;

LONG CALLBACK NoteException(EXCEPTION_POINTERS* exception) {
    if (GetCurrentThreadId() != g_raising_thread) return EXCEPTION_CONTINUE_SEARCH;
    g_code = exception->ExceptionRecord->ExceptionCode;
    ExitThread(0);
}

template <typename F>
DWORD WINAPI RunBody(void* body) {
    g_raising_thread = GetCurrentThreadId();
    (*static_cast<F*>(body))();
    return 0;
}

// The code of the exception that `body` raises; 0 when it does not.
template <typename F>
DWORD CodeOf(F body) {
    static void* const handler = AddVectoredExceptionHandler(1, &NoteException);
    EXPECT_NE(handler, nullptr);
    g_code = 0;
    const HANDLE thread = CreateThread(nullptr, 0, &RunBody<F>, &body, 0, nullptr);
    EXPECT_NE(thread, nullptr);
    EXPECT_EQ(WaitForSingleObject(thread, 10'000), WAIT_OBJECT_0);
    CloseHandle(thread);
    g_raising_thread = 0;
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
