// Kinds of heaps: executable, of fixed size, in the caller's memory, with checks, with user values.
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "arena/process_arenas.h"
#include "base/constants.h"
#include "heap_api_fixture.h"
#include "os/memory.h"
#include "support/fault_injection.h"

namespace strata::test {
namespace {

// mov eax, 42; ret
constexpr unsigned char kCode[] = {0xB8, 42, 0, 0, 0, 0xC3};

// Without the sanitizer's look at what stands in front of a function.
#ifdef __clang__
__attribute__((no_sanitize("function")))
#endif
int Call(void* code) {
    return reinterpret_cast<int (*)()>(code)();
}

TEST_F(HeapApi, AnExecutableHeapRunsCode) {
    const HANDLE heap = StrataHeapCreate(HEAP_CREATE_ENABLE_EXECUTE, 0, 0);
    ASSERT_NE(heap, nullptr);
    const HANDLE fixed = StrataHeapCreate(HEAP_CREATE_ENABLE_EXECUTE, 0, 1 << 20);
    ASSERT_NE(fixed, nullptr);
    for (const SIZE_T bytes : {6, 5000, 60000, 200000, 30 << 20}) {
        void* block = StrataHeapAlloc(heap, 0, bytes);
        ASSERT_NE(block, nullptr) << bytes;
        std::memcpy(block, kCode, sizeof kCode);
        EXPECT_EQ(Call(block), 42);
        block = StrataHeapReAlloc(heap, 0, block, bytes * 2);
        EXPECT_EQ(Call(block), 42);
        EXPECT_TRUE(StrataHeapFree(heap, 0, block));
    }
    void* const block = StrataHeapAlloc(fixed, 0, 100);
    std::memcpy(block, kCode, sizeof kCode);
    EXPECT_EQ(Call(block), 42);
    ExpectError(kUntouched);
    EXPECT_TRUE(StrataHeapDestroy(heap));
    EXPECT_TRUE(StrataHeapDestroy(fixed));
}

TEST_F(HeapApi, AFixedHeapReportsItsFailures) {
    const HANDLE heap = StrataHeapCreate(0, 4096, 256 << 10);
    void* const block = StrataHeapAlloc(heap, 0, 100 << 10);
    ASSERT_NE(block, nullptr);
    std::memset(block, 7, 100 << 10);
    ExpectError(kUntouched);
    EXPECT_EQ(StrataHeapAlloc(heap, 0, 200 << 10), nullptr);
    ExpectError(ERROR_NOT_ENOUGH_MEMORY);
    EXPECT_EQ(StrataHeapReAlloc(heap, 0, block, 300 << 10), nullptr);
    ExpectError(ERROR_NOT_ENOUGH_MEMORY);
    EXPECT_EQ(StrataHeapSize(heap, 0, block), SIZE_T{100} << 10);
    EXPECT_EQ(static_cast<char*>(block)[(100 << 10) - 1], 7);
    EXPECT_TRUE(StrataHeapValidate(heap, 0, nullptr));
    EXPECT_TRUE(StrataHeapValidate(heap, 0, block));
    EXPECT_TRUE(StrataHeapFree(heap, 0, block));
    EXPECT_GT(StrataHeapCompact(heap, 0), 0u);
    STRATA_HEAP_SUMMARY_TYPE summary = {};
    summary.cb = sizeof summary;
    EXPECT_TRUE(StrataHeapSummary(heap, 0, &summary));
    EXPECT_EQ(summary.cbAllocated, 0u);
    EXPECT_LE(summary.cbReserved, (SIZE_T{256} << 10) + 65536);
    EXPECT_TRUE(StrataHeapDestroy(heap));
    ExpectError(kUntouched);
}

TEST_F(HeapApi, AFixedHeapMayBeSmall) {
    for (const SIZE_T maximum : {1, 4096, 4097, 65536}) {
        for (const SIZE_T initial : {SIZE_T{0}, maximum, maximum * 3}) {
            const HANDLE heap = StrataHeapCreate(0, initial, maximum);
            ASSERT_NE(heap, nullptr);
            EXPECT_NE(StrataHeapAlloc(heap, 0, 1000), nullptr);
            EXPECT_TRUE(StrataHeapDestroy(heap));
        }
    }
    ExpectError(kUntouched);
}

TEST_F(HeapApi, ARegionIsTheCallersMemory) {
    os::ReserveRequest reserve;
    reserve.bytes = 1 << 20;
    char* const memory = static_cast<char*>(os::SystemMemory::Reserve(reserve));
    ASSERT_NE(memory, nullptr);
    ASSERT_TRUE(os::SystemMemory::Commit(memory, 4 * kPageSize));
    const HANDLE heap = StrataHeapCreateInRegion(0, memory, 1 << 20);
    ASSERT_NE(heap, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(heap) % 65536, 0u);
    std::vector<char*> blocks;
#ifdef _WIN32
    constexpr size_t kBlocks = 100;  // beyond the committed pages
#else
    constexpr size_t kBlocks = 3;
#endif
    for (size_t i = 0; i < kBlocks; ++i) {
        blocks.push_back(static_cast<char*>(StrataHeapAlloc(heap, HEAP_ZERO_MEMORY, 4000)));
        ASSERT_GE(blocks.back(), memory);
        ASSERT_LE(blocks.back() + 4000, memory + (1 << 20));
        std::memset(blocks.back(), 3, 4000);
    }
    for (char* const block : blocks) {
        EXPECT_EQ(StrataHeapSize(heap, 0, block), 4000u);
        EXPECT_TRUE(StrataHeapFree(heap, 0, block));
    }
    EXPECT_EQ(StrataHeapSize(heap, 0, blocks[0]), SIZE_MAX);
    EXPECT_TRUE(StrataHeapDestroy(heap));
    memory[0] = 1;
    ExpectError(kUntouched);
    EXPECT_TRUE(os::SystemMemory::Release(memory, 1 << 20));
    EXPECT_EQ(StrataHeapCreateInRegion(0, memory, 1 << 20), nullptr) << "nobody's memory";
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_EQ(StrataHeapCreateInRegion(0, nullptr, 1 << 20), nullptr);
    EXPECT_EQ(StrataHeapCreateInRegion(0, memory + 8, 1 << 20), nullptr);
    EXPECT_EQ(StrataHeapCreateInRegion(0, memory, 100), nullptr);
}

TEST_F(HeapApi, ChecksMakeValidateFail) {
    const HANDLE heap =
        StrataHeapCreate(HEAP_TAIL_CHECKING_ENABLED | HEAP_FREE_CHECKING_ENABLED, 0, 0);
    char* const block = static_cast<char*>(StrataHeapAlloc(heap, 0, 21));
    EXPECT_TRUE(StrataHeapValidate(heap, 0, block));
    block[21] = 0;
    EXPECT_FALSE(StrataHeapValidate(heap, 0, block));
    EXPECT_FALSE(StrataHeapValidate(heap, 0, nullptr));
    ExpectError(kUntouched);
    EXPECT_TRUE(StrataHeapDestroy(heap));
}

TEST_F(HeapApi, AFailureThatIsGotOverLeavesTheLastError) {
    // The first commit of a fresh slab fails, the smaller one after it does not.
    const HANDLE process = StrataGetProcessHeap();
    std::vector<void*> blocks;
    FaultInjector faults(arena::g_memory);
    StrataSetLastError(kUntouched);
    for (int i = 0; i < 2000; ++i) {
        faults.FailNth(kCommit, 1);
        void* const block = StrataHeapAlloc(process, 0, 700);
        if (block == nullptr) {
            ExpectError(ERROR_NOT_ENOUGH_MEMORY);
            StrataSetLastError(kUntouched);
            continue;
        }
        ExpectError(kUntouched);
        blocks.push_back(block);
    }
    faults.StopFailing();
    for (void* const block : blocks) StrataHeapFree(process, 0, block);
}

// Whoever asks for the value of a block that has none keeps what he had.
TEST_F(HeapApi, AnOrdinaryBlockHasNoUserValue) {
    int mine = 0;
    for (const SIZE_T bytes :
         {SIZE_T{0}, SIZE_T{50}, SIZE_T{5000}, SIZE_T{100000}, SIZE_T{3} << 20}) {
        void* const block = StrataHeapAlloc(heap_, 0, bytes);
        LPVOID found = &mine;
        DWORD flags = 77;
        EXPECT_TRUE(StrataHeapGetUserInfo(heap_, 0, block, &found, &flags)) << bytes;
        EXPECT_EQ(found, &mine) << bytes;
        EXPECT_EQ(flags, 0u);
    }
    void* const settable = StrataHeapAlloc(heap_, STRATA_HEAP_SETTABLE_USER_VALUE, 50);
    LPVOID found = &mine;
    EXPECT_TRUE(StrataHeapGetUserInfo(heap_, 0, settable, &found, nullptr));
    EXPECT_EQ(found, nullptr) << "one that was not set yet";
}

// HEAP_NO_SERIALIZE: no call waits for another thread's HeapLock; without it, all that change
// something do.
TEST_F(HeapApi, CallsWithoutSerialisation) {
    void* const old = StrataHeapAlloc(heap_, 0, 100);
    ASSERT_TRUE(StrataHeapLock(heap_));
    std::thread([&] {
        constexpr DWORD kFlag = HEAP_NO_SERIALIZE;
        for (const DWORD zero :
             {DWORD{0}, DWORD{HEAP_ZERO_MEMORY}, DWORD{STRATA_HEAP_SETTABLE_USER_VALUE}}) {
            void* block = StrataHeapAlloc(heap_, kFlag | zero, 5000);
            ASSERT_NE(block, nullptr);
            EXPECT_EQ(StrataHeapSize(heap_, kFlag, block), 5000u);
            EXPECT_TRUE(StrataHeapValidate(heap_, kFlag, block));
            block = StrataHeapReAlloc(heap_, kFlag | (zero & HEAP_ZERO_MEMORY), block, 100000);
            ASSERT_NE(block, nullptr);
            EXPECT_TRUE(StrataHeapFree(heap_, kFlag, block));
        }
        EXPECT_TRUE(StrataHeapFree(heap_, kFlag, old));
        EXPECT_TRUE(StrataHeapValidate(heap_, kFlag, nullptr));
        StrataHeapCompact(heap_, kFlag);
    }).join();
    std::atomic<bool> done{false};
    std::thread waits([&] {
        StrataHeapFree(heap_, 0, StrataHeapAlloc(heap_, 0, 100));
        done = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(done);
    EXPECT_TRUE(StrataHeapUnlock(heap_));
    waits.join();
}

TEST_F(HeapApi, UserValues) {
    int value = 0;
    void* const block = StrataHeapAlloc(
        heap_, STRATA_HEAP_SETTABLE_USER_VALUE | STRATA_HEAP_SETTABLE_USER_FLAG2, 50);
    EXPECT_TRUE(StrataHeapSetUserValue(heap_, 0, block, &value));
    LPVOID found = nullptr;
    DWORD flags = 0;
    EXPECT_TRUE(StrataHeapGetUserInfo(heap_, 0, block, &found, &flags));
    EXPECT_EQ(found, &value);
    EXPECT_EQ(flags, STRATA_HEAP_SETTABLE_USER_FLAG2);
    for (const auto& [reset, set] : {std::pair{~0u, 0x200u}, {0u, 0xFFFFF2FFu}, {0x100u, 0u}}) {
        EXPECT_FALSE(StrataHeapSetUserFlags(heap_, 0, block, reset, set)) << "not all are settable";
        ExpectError(ERROR_INVALID_PARAMETER);
    }
    EXPECT_TRUE(StrataHeapSetUserFlags(heap_, 0, block, 0xE00, 0x200));
    EXPECT_TRUE(StrataHeapGetUserInfo(heap_, 0, block, nullptr, &flags));
    EXPECT_EQ(flags, 0x200u);
    EXPECT_TRUE(StrataHeapGetUserInfo(heap_, 0, block, nullptr, nullptr));
    EXPECT_EQ(StrataHeapSize(heap_, 0, block), 50u);
    PROCESS_HEAP_ENTRY entry = {};
    bool moveable = false;
    while (StrataHeapWalk(heap_, &entry)) {
        if (entry.lpData != block) continue;
        moveable = (entry.wFlags & PROCESS_HEAP_ENTRY_MOVEABLE) != 0 && entry.Block.hMem == &value;
    }
    EXPECT_TRUE(moveable);
    EXPECT_TRUE(StrataHeapSetUserFlags(heap_, 0, block, 0, STRATA_HEAP_SETTABLE_USER_FLAG2));
    bool shared = false;
    for (entry = {}; StrataHeapWalk(heap_, &entry);) {
        shared |= entry.lpData == block && (entry.wFlags & PROCESS_HEAP_ENTRY_DDESHARE) != 0;
    }
    EXPECT_TRUE(shared);
    StrataSetLastError(kUntouched);
    EXPECT_TRUE(StrataHeapFree(heap_, 0, block));
    ExpectError(kUntouched);
    EXPECT_FALSE(StrataHeapSetUserValue(heap_, 0, block, &value));
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_FALSE(StrataHeapGetUserInfo(heap_, 0, block, &found, &flags));
    ExpectError(ERROR_INVALID_PARAMETER);
    EXPECT_FALSE(StrataHeapSetUserFlags(heap_, 0, block, 0, 0));
    ExpectError(ERROR_INVALID_PARAMETER);
    for (const HANDLE bad : {HANDLE{nullptr}, static_cast<HANDLE>(&value)}) {
        EXPECT_FALSE(StrataHeapSetUserValue(bad, 0, block, &value));
        ExpectError(ERROR_INVALID_HANDLE);
    }
}

}  // namespace
}  // namespace strata::test
