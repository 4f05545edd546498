// What the scenarios share.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "arena/process_arenas.h"
#include "cache/thread_cache.h"
#include "heap/heap.h"
#include "heap/statistics.h"
#include "scheduler.h"
#include "slab/large_run.h"
#include "test_os.h"

namespace strata::interleave {

class Interleave : public testing::Test {
protected:
    static void SetUpTestSuite() {
        arena::g_memory.UseCalls(CallsWithPoints());
        ASSERT_TRUE(heap::Initialize());
        // The main thread makes no cache of its own, which would change from run to run.
        os::SetThreadSlot(&cache::g_detached_cache);
    }

    // A longer run has more preemptions: STRATA_INTERLEAVE_PREEMPTIONS.
    static Bounds With(size_t preemptions, Grain grain = Grain::kOrdered) {
        Bounds bounds;
        const char* const more = std::getenv("STRATA_INTERLEAVE_PREEMPTIONS");
        bounds.preemptions = preemptions + (more != nullptr ? std::strtoull(more, nullptr, 10) : 0);
        if (more != nullptr) bounds.runs = SIZE_MAX;
        bounds.grain = grain;
        return bounds;
    }

    static void Expect(const char* name, const Scenario& scenario, const Bounds& bounds) {
        const Result result = Explore(scenario, bounds);
        EXPECT_EQ(result.problem, "");
        std::printf(
            "%s: %zu orders of %zu threads with up to %zu preemptions (%s), up to %zu choices\n",
            name, result.runs, scenario.threads.size(), bounds.preemptions,
            bounds.grain == Grain::kAll ? "all accesses" : "ordered accesses", result.most_points);
    }

    // All blocks, heaps and caches are gone, and with them the memory, records included.
    static void ExpectNothingLeft() {
        heap::PurgeAll();
        heap::Statistics statistics;
        heap::Collect(statistics);
        EXPECT_EQ(statistics.live_blocks, 0u);
        EXPECT_EQ(heap::ListHeaps(nullptr, 0), 1u);
        EXPECT_EQ(cache::ThreadCacheCount(), 0u);
        EXPECT_TRUE(heap::IsConsistent(*heap::ProcessHeap()));
        EXPECT_EQ(arena::g_arenas.slice_committed(), 0u);
        EXPECT_EQ(arena::g_metadata_arenas.slice_committed(), 0u);
        EXPECT_EQ(slab::DirectCommitted(), 0u);
    }
};

// A block that knows whose it is.
struct Stamp {
    size_t owner;
    void* self;
};

inline void* AllocateStamped(heap::Heap& heap, size_t bytes, size_t owner) {
    void* const block = heap::Allocate(heap, bytes, false);
    EXPECT_NE(block, nullptr);
    const Stamp stamp{owner, block};
    std::memcpy(block, &stamp, sizeof stamp);
    return block;
}
inline void FreeStamped(void* block, size_t owner) {
    Stamp stamp;
    std::memcpy(&stamp, block, sizeof stamp);
    EXPECT_EQ(stamp.owner, owner) << "two owners of one block";
    EXPECT_EQ(stamp.self, block);
    heap::Free(nullptr, block);
}

}  // namespace strata::interleave
