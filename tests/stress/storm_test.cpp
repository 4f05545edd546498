// Many threads at once: on the same blocks, on each other's blocks, being born and dying, and with
// heaps that come and go while others look at them.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "arena/process_arenas.h"
#include "cache/thread_cache.h"
#include "effort.h"
#include "heap/heap.h"
#include "heap/statistics.h"
#include "heap/walk.h"
#include "support/model.h"

#include <strata/strata.h>

namespace strata {
namespace {

using test::kEffort;
using test::Random;

size_t CommittedAfterPurge() {
    strata_purge();
    return arena::g_memory.Counters().committed;
}

void RunThreads(size_t threads, const std::function<void(size_t)>& body) {
    std::vector<std::thread> running;
    for (size_t i = 0; i < threads; ++i) running.emplace_back(body, i);
    for (std::thread& thread : running) thread.join();
}

// What stands in every block of these tests: enough to find a block that two owners were given.
struct Stamp {
    size_t bytes;
    uint64_t seed;
};
constexpr size_t kSmallest = 2 * sizeof(Stamp);

void* Stamped(void* block, size_t bytes, uint64_t seed) {
    if (block == nullptr) return nullptr;
    const Stamp stamp{bytes, seed};
    std::memcpy(block, &stamp, sizeof stamp);
    std::memcpy(static_cast<char*>(block) + bytes - sizeof stamp, &stamp, sizeof stamp);
    return block;
}

size_t CheckStamp(void* block) {
    Stamp front, back;
    std::memcpy(&front, block, sizeof front);
    std::memcpy(&back, static_cast<char*>(block) + front.bytes - sizeof back, sizeof back);
    EXPECT_EQ(front.bytes, back.bytes);
    EXPECT_EQ(front.seed, back.seed);
    EXPECT_EQ(strata_requested_size(block), front.bytes);
    return front.bytes;
}

size_t RandomSize(Random& random) {
    const size_t limit = random.OneIn(50) ? 300'000 : random.OneIn(5) ? 20'000 : 1'000;
    return kSmallest + random.Skewed(limit);
}

TEST(Storm, ThreadsShareTheirBlocks) {
    // Whoever comes to a place of the table takes its block and leaves another.
    constexpr size_t kPlaces = 2048;
    static std::atomic<void*> table[kPlaces];
    std::vector<strata_heap*> heaps = {strata_heap_process()};
    for (int i = 0; i < 3; ++i) heaps.push_back(strata_heap_create());
    RunThreads(8, [&](size_t thread) {
        Random random(thread + 1);
        for (size_t i = 0; i < 60'000 * kEffort; ++i) {
            std::atomic<void*>& place = table[random.Below(kPlaces)];
            void* const block = place.exchange(nullptr);
            if (block != nullptr) {
                CheckStamp(block);
                if (random.OneIn(4)) {
                    const size_t bytes = RandomSize(random);
                    void* const resized = strata_realloc(block, bytes);
                    strata_free(place.exchange(Stamped(resized, bytes, i)));
                    continue;
                }
                strata_free(block);
            }
            const size_t bytes = RandomSize(random);
            strata_heap* const heap = heaps[random.Below(heaps.size())];
            void* const fresh = random.OneIn(8) ? strata_heap_aligned_alloc(heap, 256, bytes)
                                                : strata_heap_malloc(heap, bytes);
            ASSERT_NE(fresh, nullptr);
            strata_free(place.exchange(Stamped(fresh, bytes, i)));
        }
    });
    for (strata_heap* heap : heaps) EXPECT_EQ(strata_heap_validate(heap), 1);
    for (std::atomic<void*>& place : table) {
        if (void* const block = place.exchange(nullptr)) {
            CheckStamp(block);
            strata_free(block);
        }
    }
    for (strata_heap* heap : heaps) {
        EXPECT_EQ(strata_heap_validate(heap), 1);
        strata_heap_destroy(heap);
    }
}

// A queue of batches.
class Queue {
public:
    void Put(std::vector<void*> batch) {
        const std::lock_guard guard(mutex_);
        batches_.push_back(std::move(batch));
        filled_.notify_one();
    }
    std::vector<void*> Take() {
        std::unique_lock guard(mutex_);
        filled_.wait(guard, [&] { return !batches_.empty(); });
        std::vector<void*> batch = std::move(batches_.front());
        batches_.pop_front();
        return batch;
    }

private:
    std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<std::vector<void*>> batches_;
};

TEST(Storm, ProducersAndConsumers) {
    constexpr size_t kPairs = 3;
    strata_heap* const heap = strata_heap_create();
    const auto run = [&](size_t batches) {
        Queue queue;
        RunThreads(2 * kPairs, [&](size_t thread) {
            Random random(thread + 10);
            for (size_t i = 0; i < batches; ++i) {
                if (thread % 2 == 0) {
                    std::vector<void*> batch;
                    for (int k = 0; k < 50; ++k) {
                        const size_t bytes = RandomSize(random);
                        void* const block =
                            k % 2 == 0 ? strata_malloc(bytes) : strata_heap_malloc(heap, bytes);
                        batch.push_back(Stamped(block, bytes, random.Next()));
                    }
                    queue.Put(std::move(batch));
                } else {
                    for (void* block : queue.Take()) {
                        CheckStamp(block);
                        strata_free(block);
                    }
                }
            }
        });
    };
    run(50);
    const size_t before = CommittedAfterPurge();
    run(400 * kEffort);
    EXPECT_EQ(strata_heap_validate(heap), 1);
    // Nothing is live: what one side took and the other gave back is no leak.
    EXPECT_LE(CommittedAfterPurge(), before + (1 << 20));
    strata_heap_destroy(heap);
}

TEST(Storm, ThreadsAreBornAndDie) {
    strata_heap* const heap = strata_heap_create();
    const auto one_thread = [&] {
        void* blocks[64];
        for (size_t i = 0; i < 64; ++i) {
            blocks[i] = i % 4 == 0 ? strata_heap_malloc(heap, i * 40) : strata_malloc(i * i * 10);
        }
        for (void* block : blocks) strata_free(block);
    };
    strata_free(strata_malloc(10));
    const size_t caches = cache::ThreadCacheCount();
    for (int i = 0; i < 20; ++i) std::thread(one_thread).join();
    const size_t before = CommittedAfterPurge();
    for (size_t i = 0; i < 100 * kEffort; ++i) {
        std::thread(one_thread).join();
        ASSERT_EQ(cache::ThreadCacheCount(), caches) << i;
    }
    EXPECT_LE(CommittedAfterPurge(), before + kSliceSize) << "flat from thread to thread";
    // Several at once; as many as ever live at the same time.
    for (size_t i = 0; i < 20 * kEffort; ++i) RunThreads(4, [&](size_t) { one_thread(); });
    const size_t four_at_once = CommittedAfterPurge();
    for (size_t i = 0; i < 20 * kEffort; ++i) RunThreads(4, [&](size_t) { one_thread(); });
    EXPECT_EQ(cache::ThreadCacheCount(), caches);
    EXPECT_LE(CommittedAfterPurge(), four_at_once + 256 * 1024);
    strata_heap_destroy(heap);
}

// Looks at everything, over and over.
void Visit(std::atomic<bool>& stop, strata_heap* shared) {
    heap::Heap* const heap = heap::FromHandle(shared);
    while (!stop) {
        heap::Statistics statistics;
        heap::Collect(statistics);
        EXPECT_LT(statistics.live_bytes, size_t{1} << 40);
        EXPECT_TRUE(heap::IsConsistent(*heap));
        EXPECT_TRUE(heap::IsConsistent(*heap::ProcessHeap()));
        heap::WalkEntry entry;
        size_t entries = 0;
        while (entries < 2000 && heap::WalkStep(*heap, entry)) ++entries;
        strata_purge();
        strata_write_statistics_json([](void*, const char*, size_t) {}, nullptr);
        std::this_thread::yield();
    }
}

TEST(Storm, VisitorsAndUsers) {
    strata_heap* const shared = strata_heap_create();
    std::atomic<bool> stop{false};
    std::thread visitor([&] { Visit(stop, shared); });
    RunThreads(4, [&](size_t thread) {
        Random random(thread + 20);
        void* held[32] = {};
        for (size_t i = 0; i < 50'000 * kEffort; ++i) {
            void*& place = held[random.Below(32)];
            const size_t bytes = RandomSize(random);
            if (place != nullptr && random.OneIn(3)) {
                CheckStamp(place);
                place = Stamped(strata_realloc(place, bytes), bytes, i);
                continue;
            }
            strata_free(place);
            void* const block =
                thread % 2 == 0 ? strata_heap_malloc(shared, bytes) : strata_malloc(bytes);
            place = Stamped(block, bytes, i);
        }
        for (void* block : held) strata_free(block);
    });
    stop = true;
    visitor.join();
    EXPECT_EQ(strata_heap_validate(shared), 1);
    strata_heap_destroy(shared);
}

TEST(Storm, HeapsComeAndGoWhileOthersWork) {
    strata_heap* const shared = strata_heap_create();
    std::atomic<bool> stop{false};
    // Heaps end only in their own thread, so visitors of all heaps may run beside it.
    std::thread visitor([&] {
        while (!stop) {
            heap::Statistics statistics;
            heap::Collect(statistics);
            strata_purge();
            std::this_thread::yield();
        }
    });
    const size_t heaps = heap::ListHeaps(nullptr, 0);
    RunThreads(5, [&](size_t thread) {
        Random random(thread + 30);
        for (size_t i = 0; i < 150 * kEffort; ++i) {
            strata_heap* const own = strata_heap_create();
            ASSERT_NE(own, nullptr);
            std::vector<void*> blocks;
            for (int k = 0; k < 200; ++k) {
                const size_t bytes = RandomSize(random);
                strata_heap* const target = k % 3 == 0 ? shared : own;
                blocks.push_back(Stamped(strata_heap_malloc(target, bytes), bytes, i));
                if (k % 4 == 3) {
                    CheckStamp(blocks[blocks.size() / 2]);
                    strata_free(blocks[blocks.size() / 2]);
                    blocks.erase(blocks.begin() + static_cast<long>(blocks.size() / 2));
                }
            }
            // Other threads free some of them, and go away with what they cached.
            if (i % 8 == 0) {
                std::thread([&] {
                    for (int k = 0; k < 50; ++k) {
                        CheckStamp(blocks.back());
                        strata_free(blocks.back());
                        blocks.pop_back();
                    }
                }).join();
            }
            for (void* block : blocks) {
                if (strata_heap_of(block) == shared) strata_heap_free(shared, block);
            }
            EXPECT_EQ(strata_heap_validate(own), 1);
            strata_heap_destroy(own);
        }
    });
    stop = true;
    visitor.join();
    EXPECT_EQ(heap::ListHeaps(nullptr, 0), heaps);
    EXPECT_EQ(strata_heap_validate(shared), 1);
    heap::Statistics statistics;
    heap::Collect(statistics);
    strata_heap_destroy(shared);
}

TEST(Storm, LockersAndUsers) {
    strata_heap* const shared = strata_heap_create();
    heap::Heap& heap = *heap::FromHandle(shared);
    RunThreads(4, [&](size_t thread) {
        Random random(thread + 40);
        for (size_t i = 0; i < 1'000 * kEffort; ++i) {
            if (thread == 0) {
                heap::LockHeap(heap);
                EXPECT_TRUE(heap::IsConsistent(heap));
                // While it holds one heap, it may use, make and list others.
                strata_heap* const other = strata_heap_create();
                strata_free(strata_heap_malloc(other, 100));
                EXPECT_GE(heap::ListHeaps(nullptr, 0), 2u);
                strata_heap_destroy(other);
                EXPECT_TRUE(heap::UnlockHeap(heap));
            }
            const size_t bytes = RandomSize(random);
            void* const block = Stamped(strata_heap_malloc(shared, bytes), bytes, i);
            if (thread == 1 && i % 10 == 0) strata_purge();
            CheckStamp(block);
            strata_heap_free(shared, block);
        }
    });
    strata_heap_destroy(shared);
}

}  // namespace
}  // namespace strata
