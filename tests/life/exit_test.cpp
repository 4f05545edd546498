// The end of a process under load: others may be in the middle of anything.
#include <gtest/gtest.h>

#include <cstdlib>

#include "children.h"
#include "work.h"

namespace strata::life {
namespace {

constexpr int kThreads = 4;

void StartAll() {
    for (int i = 0; i < kThreads; ++i) CloseHandle(StartWorker(Random(1'000'000)));
    WaitMicroseconds(Random(20'000));
}

const Registered kFromMain("exit_main", [] {
    StartAll();
    ExitProcess(7);
    return 1;
});

const Registered kFromWorker("exit_worker", [] {
    StartAll();
    CreateThread(
        nullptr, 0,
        [](void*) -> DWORD {
            uint64_t state = 3;
            for (int i = 0; i < 100; ++i) DoWork(state);
            ExitProcess(7);
            return 0;
        },
        nullptr, 0, nullptr);
    uint64_t state = 5;
    for (;;) DoWork(state);
    return 1;
});

struct FreesAtExit {
    void* block = strata_malloc(1000);
    strata_heap* heap = strata_heap_create();
    ~FreesAtExit() {
        for (int i = 0; i < 100; ++i) strata_free(strata_malloc(static_cast<size_t>(i) * 100));
        strata_heap_free(heap, strata_heap_malloc(heap, 100'000));
        strata_heap_destroy(heap);
        strata_free(block);
        strata_purge();
    }
};

// The C runtime's end: destructors and atexit functions run while the others still work, and free.
const Registered kReturn("exit_return", [] {
    static FreesAtExit at_exit;
    StartAll();
    std::atexit([] { strata_free(strata_malloc(50'000)); });
    return 7;
});

class Exit : public testing::TestWithParam<const char*> {};

TEST_P(Exit, InTimeAndWithItsCode) {
    for (int i = 0; i < 6; ++i) EXPECT_EQ(RunChild(GetParam(), 30), 7u);
}

INSTANTIATE_TEST_SUITE_P(Ways, Exit, testing::Values("exit_main", "exit_worker", "exit_return"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace strata::life
