// Stacks that end inside the allocator. To the program that is an exception as any other: it may
// handle it, reset the guard page and go on, and nothing of Strata's is left locked or half
// changed.
#include <gtest/gtest.h>

#include <windows.h>

#include <malloc.h>

#include <cstdio>

#include "children.h"
#include "work.h"

#include <strata/heap_api.h>

namespace strata::life {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr int kRounds = 12;

CONTEXT g_restart;
volatile int g_overflows = 0;

LONG CALLBACK RestartOnOverflow(EXCEPTION_POINTERS* pointers) {
    if (pointers->ExceptionRecord->ExceptionCode != EXCEPTION_STACK_OVERFLOW) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    g_overflows = g_overflows + 1;
    *pointers->ContextRecord = g_restart;
    return EXCEPTION_CONTINUE_EXECUTION;
}

// One call at every depth, until there is no stack left.
__attribute__((noinline)) void Descend(uint64_t& state, strata_heap* heap, unsigned depth) {
    auto* const frame = static_cast<volatile char*>(_alloca(16 + (state >> 33) % 600));
    frame[0] = 1;
    DoWork(state);
    // Large runs, which come from the arenas and go back to them.
    void* const run = strata_heap_malloc(heap, 70'000 + (state >> 33) % 500'000);
    if ((state >> 40) % 30 == 0) strata_purge();
    strata_heap_free(heap, run);
    if (depth != 0) Descend(state, heap, depth - 1);
    frame[0] = 2;
}

DWORD WINAPI Overflow(void* argument) {
    uint64_t state = reinterpret_cast<uintptr_t>(argument);
    strata_heap* const heap = strata_heap_create();
    for (volatile int round = 0; round < kRounds;) {
        const int before = g_overflows;
        RtlCaptureContext(&g_restart);
        if (g_overflows == before) Descend(state, heap, 1'000'000);
        if (!_resetstkoflw()) return 2;
        round = round + 1;
        state += 12345;
        Progress();
    }
    // Blocks may be lost, but the heap is whole.
    const int good = strata_heap_validate(heap);
    strata_heap_destroy(heap);
    return good == 1 ? 0 : 3;
}

DWORD Wait(HANDLE thread) {
    DWORD code = 99;
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

const Registered kOverflow("stack_overflow", [] {
    EndWhenHung(20);
    AddVectoredExceptionHandler(1, RestartOnOverflow);
    // Somebody else is at work meanwhile, and would wait for what is left locked.
    StartedWorker(3);
    for (uintptr_t seed = 1; seed <= 2; ++seed) {
        const DWORD code =
            Wait(CreateThread(nullptr, kStackBytes, Overflow, reinterpret_cast<void*>(seed),
                              STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr));
        if (code != 0) return static_cast<int>(code);
    }
    if (g_overflows != 2 * kRounds) return 4;
    uint64_t state = 7;
    for (int i = 0; i < 1000; ++i) DoWork(state);
    return strata_heap_validate(strata_heap_process()) == 1 ? 0 : 5;
});

TEST(StackOverflow, InTheAllocatorLeavesNothingLocked) {
    EXPECT_EQ(RunChild("stack_overflow", 120), 0u);
}

constexpr size_t kRoom =
    16 * 1024;  // kStackForPart of os/stack_room.h, the most that is made sure of
constexpr size_t kPainted = 48 * 1024;
constexpr unsigned char kPaint = 0x5c;

// Where the stack of what is called next will be.
__attribute__((noinline)) unsigned char* Paint() {
    auto* const area = static_cast<unsigned char*>(_alloca(kPainted));
    for (size_t i = 0; i < kPainted; ++i) static_cast<volatile unsigned char*>(area)[i] = kPaint;
    return area;
}

template <typename Work>
__attribute__((noinline)) size_t UseOf(Work work) {
    unsigned char* volatile const area = Paint();
    work();
    size_t untouched = 0;
    while (untouched < kPainted && area[untouched] == kPaint) ++untouched;
    return kPainted - untouched;
}

// The rooms in os/stack_room.h are for what happens under locks; a whole call takes no more.
TEST(StackOverflow, ACallTakesNoMoreStackThanIsMadeSureOf) {
    size_t most = 0;
    const auto note = [&](size_t bytes) { most = bytes > most ? bytes : most; };
    uint64_t state = 99;
    strata_heap* const heap = strata_heap_create();
    for (int i = 0; i < 3000; ++i) note(UseOf([&] { DoWork(state); }));
    note(UseOf([&] { strata_heap_free(heap, strata_heap_malloc(heap, 300'000)); }));
    note(UseOf([&] { strata_heap_validate(heap); }));
    note(UseOf([&] { strata_purge(); }));
    note(UseOf([&] { strata_heap_destroy(heap); }));
    note(UseOf([&] { StrataHeapDestroy(StrataHeapCreate(0, 4096, 1 << 20)); }));
    std::printf("  at most %zu bytes of stack\n", most);
    EXPECT_GT(most, 0u);
    EXPECT_LE(most, kRoom);
}

}  // namespace
}  // namespace strata::life
