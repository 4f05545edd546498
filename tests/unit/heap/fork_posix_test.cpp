// fork while other threads hold locks and visit heaps: the child can go on with all of it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "store/registry.h"
#include "support/heap_fixture.h"
#include "support/sanitizers.h"

namespace strata::heap {
namespace {

using test::TestHeap;

// In the child: everything works, and heaps can end.
bool UseEverything(TestHeap& heap) {
    for (const size_t bytes : {100, 5000, 100000, 40 << 20}) {
        void* const block = heap.Allocate(bytes);
        if (block == nullptr) return false;
        heap.Free(block);
        Free(nullptr, Allocate(*ProcessHeap(), bytes, false));
    }
    PurgeAll();
    {
        const TestHeap another;
    }
    heap.Destroy();
    return IsConsistent(*ProcessHeap()) && ListHeaps(nullptr, 0) != 0;
}

TEST(Fork, TheChildFindsNoLockHeldAndNoHeapPinned) {
    // It does not follow a process with threads into a fork.
    if (test::kThreadSanitizer) GTEST_SKIP() << "not with this sanitizer";
    TestHeap heap;
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
            while (!stop) {
                if (i == 0) PurgeAll();
                const TestHeap own;
                own.Free(own.Allocate(1000));
                heap.Free(heap.Allocate(70000));
            }
        });
    }
    for (int i = 0; i < 50; ++i) {
        LockEverything();
        const pid_t child = fork();
        if (child == 0) {
            UnlockEverythingInChild();
            alarm(20);
            _exit(UseEverything(heap) ? 0 : 1);
        }
        UnlockEverything();
        ASSERT_GT(child, 0);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status)) << "round " << i << ", signal " << WTERMSIG(status);
        ASSERT_EQ(WEXITSTATUS(status), 0);
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace strata::heap
