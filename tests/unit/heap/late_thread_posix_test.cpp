// Threads whose first heap call comes at their end: in destructors of thread_local objects, and of
// keys that come after Strata's own. They leave no cache behind. (Windows:
// tests/first_call/late_threads.cpp.)
#include <gtest/gtest.h>
#include <pthread.h>

#include <climits>
#include <cstdint>

#include "cache/thread_cache.h"
#include "support/heap_fixture.h"
#include "support/sanitizers.h"

namespace strata::heap {
namespace {

using test::InOtherThread;

void CallForTheFirstTime() {
    ASSERT_EQ(cache::CurrentCache(), nullptr);
    Free(nullptr, Allocate(*ProcessHeap(), 100, false));
    EXPECT_NE(cache::CurrentCache(), nullptr);
}

struct CallsAtEnd {
    ~CallsAtEnd() { CallForTheFirstTime(); }
    bool made = false;
};
thread_local CallsAtEnd t_calls_at_end;

pthread_key_t g_key;

// The value counts the rounds in which the system still calls this.
void OnKey(void* value) {
    const auto rounds = reinterpret_cast<uintptr_t>(value);
    if (rounds > 1) {
        pthread_setspecific(g_key, reinterpret_cast<void*>(rounds - 1));
        return;
    }
    CallForTheFirstTime();
}

class LateThread : public ::testing::Test {
protected:
    void SetUp() override {
        Free(nullptr, Allocate(*ProcessHeap(), 100, false));  // Strata has its key
        caches_ = cache::ThreadCacheCount();
    }
    void TearDown() override { EXPECT_EQ(cache::ThreadCacheCount(), caches_); }

private:
    size_t caches_ = 0;
};

TEST_F(LateThread, CallsInTheDestructorOfAnObject) {
    for (int i = 0; i < 20; ++i) InOtherThread([] { t_calls_at_end.made = true; });
}

// In the last of the rounds that the system makes (PTHREAD_DESTRUCTOR_ITERATIONS) nobody could be
// told of the cache any more: who sets his key in each of them, and calls for the first time then,
// keeps it.
TEST_F(LateThread, CallsInTheDestructorOfALaterKey) {
    // ThreadSanitizer leaves the thread at the beginning of the last round, in which the cache
    // would go.
    const uintptr_t end = PTHREAD_DESTRUCTOR_ITERATIONS - (test::kThreadSanitizer ? 1 : 0);
    ASSERT_EQ(pthread_key_create(&g_key, OnKey), 0);
    for (uintptr_t rounds = 1; rounds < end; ++rounds) {
        InOtherThread([=] { pthread_setspecific(g_key, reinterpret_cast<void*>(rounds)); });
        EXPECT_FALSE(HasFailure()) << "round " << rounds;
    }
    pthread_key_delete(g_key);
}

}  // namespace
}  // namespace strata::heap
