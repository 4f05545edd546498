// TerminateThread at random points inside the allocator. A thread that is ended between two changes
// costs what it had cached, nothing else: the process goes on. One that is ended in the middle of a
// change leaves a lock that nobody gives back: whoever needs it ends the process with a message.
// Nobody waits for ever. The threads here do nothing but change heaps, on a busy machine mostly in
// calls to the system: so most processes end with the message.
#include <gtest/gtest.h>

#include <cstdio>

#include "children.h"
#include "support/death.h"
#include "support/environment.h"
#include "work.h"

#include <strata/heap_api.h>

namespace strata::life {
namespace {

// Uses everything; another thread, too.
bool EverythingWorks() {
    uint64_t state = 12345;
    for (int i = 0; i < 300; ++i) DoWork(state);
    strata_heap* const heap = strata_heap_create();
    void* const block = strata_heap_calloc(heap, 1, 70'000);
    bool good = heap != nullptr && block != nullptr && strata_requested_size(block) == 70'000;
    good = good && strata_heap_validate(heap) == 1;
    strata_heap_destroy(heap);
    strata_purge();
    return good && strata_heap_validate(strata_heap_process()) == 1;
}

const Registered kTerminate("terminate", [] {
    EndWhenHung(15);
    for (int round = 0; round < 6; ++round) {
        const HANDLE worker = StartedWorker(2 * Random(1'000'000) + 1);
        WaitMicroseconds(Random(4'000));
        TerminateThread(worker, 0);
        WaitForSingleObject(worker, INFINITE);
        CloseHandle(worker);
        if (!EverythingWorks()) return 1;
        Progress();
    }
    return 0;
});

// The same, and then the end: it may come in the middle of everything.
const Registered kTerminateAndExit("terminate_and_exit", [] {
    EndWhenHung(15);
    const HANDLE other = StartedWorker(2 * Random(1'000'000) + 1);
    const HANDLE worker = StartedWorker(2 * Random(1'000'000) + 1);
    WaitMicroseconds(Random(8'000));
    TerminateThread(worker, 0);
    CloseHandle(worker);
    CloseHandle(other);
    ExitProcess(0);
    return 2;
});

// A thread that surely holds locks: all of a heap.
strata_heap* HeapOfADeadHolder() {
    EndWhenHung(15);
    static strata_heap* heap;
    static HANDLE ready;
    heap = strata_heap_create();
    ready = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    const HANDLE worker = CreateThread(
        nullptr, 0,
        [](void*) -> DWORD {
            StrataHeapLock(heap);
            SetEvent(ready);
            Sleep(INFINITE);
            return 0;
        },
        nullptr, 0, nullptr);
    WaitForSingleObject(ready, INFINITE);
    TerminateThread(worker, 0);
    WaitForSingleObject(worker, INFINITE);
    CloseHandle(worker);
    return heap;
}

const Registered kUseDeadHoldersHeap("dead_holder_use", [] {
    strata_heap* const heap = HeapOfADeadHolder();
    strata_free(strata_malloc(100));  // others are as they were
    strata_heap_malloc(heap, 100);
    return 1;
});

const Registered kExitWithDeadHolder("dead_holder_exit", [] {
    HeapOfADeadHolder();
    ExitProcess(0);
    return 1;
});

TEST(Terminate, TheProcessGoesOnOrSaysWhyNot) {
    // Memory that is kept needs no calls to the system, in which a thread may be ended, too.
    test::SetVariable("STRATA_RETAIN_KB", "1000000");
    int went_on = 0;
    int said_so = 0;
    int system = 0;
    for (int i = 0; i < 4; ++i) {
        const uint32_t code = RunChild("terminate", 120);
        ASSERT_NE(code, kHung) << "somebody waited for ever";
        ASSERT_NE(code, kTimedOut) << "it did not even end";
        if (code == 0) {
            ++went_on;
        } else if (code == kSystemHung) {
            ++system;  // a thread was ended in VirtualAlloc, and Wine's own lock is lost
        } else {
            ASSERT_TRUE(IsFailFast(code)) << code;
            ++said_so;
        }
    }
    test::UnsetVariable("STRATA_RETAIN_KB");
    std::printf(
        "of 4 processes with 6 ended threads each, %d went on to their end, %d ended with the "
        "message, "
        "%d hung in the system\n",
        went_on, said_so, system);
    EXPECT_GT(went_on + said_so, 0);
}

TEST(Terminate, AHeapWhoseHolderIsGoneEndsTheProcess) {
    const uint32_t code = RunChild("dead_holder_use", 60);
    EXPECT_TRUE(IsFailFast(code)) << code;
    EXPECT_EQ(RunChild("dead_holder_exit", 60), 0u);
}

TEST(Terminate, TheProcessEndsInTime) {
    for (int i = 0; i < 8; ++i) {
        const uint32_t code = RunChild("terminate_and_exit", 60);
        EXPECT_TRUE(code == 0 || code == kSystemHung) << code;
    }
}

}  // namespace
}  // namespace strata::life
