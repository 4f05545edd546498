// Memory that cannot be had, or given back. A scenario that touches every feature is run with the
// Nth call to the system failing, once or from then on, for N = 1, 2, 3 … until nothing fails any
// more. Whatever fails: the answer is NULL and nothing else, blocks keep what they hold, no lock
// stays held, heaps are consistent, and everything works again afterwards in as much memory as
// before.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "arena/process_arenas.h"
#include "cache/thread_cache.h"
#include "effort.h"
#include "heap/heap.h"
#include "heap/walk.h"
#include "os/process.h"
#include "slab/large_run.h"
#include "store/modes.h"
#include "support/fault_injection.h"
#include "support/model.h"

#include <strata/strata.h>

namespace strata {
namespace {

using test::CallSet;
using test::FaultInjector;
using test::FillPattern;
using test::FindNonZero;
using test::FindPatternBreak;

constexpr size_t kChecked = 3000;  // bytes of a large block that are checked
constexpr uint32_t kNotEnoughMemory = 8;

// The whole process, by STRATA_HARDENED or STRATA_PAGE_HEAP.
bool IsStrict() { return store::g_modes.hardened || store::g_modes.page_heap; }

size_t Checked(size_t bytes) { return bytes < kChecked ? bytes : kChecked; }

// Everything that a program can do, in one thread of its own and a second one; every result may be
// NULL. Keeps its own books of what it got.
class Scenario {
public:
    explicit Scenario(strata_heap* shared) : shared_(shared) {}

    void Run() {
        strata_heap* const own = strata_heap_create();
        for (strata_heap* heap : {strata_heap_process(), shared_, own}) {
            if (heap != nullptr) UseHeap(heap);
        }
        Resize();
        std::thread([&] { FreeEveryThird(); }).join();
        Direct();
        Look(shared_);
        if (own != nullptr) Look(own);
        strata_purge();
        CheckAll();
        FreeEveryThird();
        if (own != nullptr) {
            Forget(own);
            strata_heap_destroy(own);
        }
        for (const Held& each : held_) strata_free(each.block);
        held_.clear();
    }

    size_t failures() const { return failures_; }

private:
    struct Held {
        void* block;
        size_t bytes;
        strata_heap* heap;
    };

    // Takes over a block, or notes that there is none.
    void Got(void* block, size_t bytes, strata_heap* heap, bool zero) {
        if (block == nullptr) {
            ++failures_;
            EXPECT_EQ(os::GetLastErrorCode(), kNotEnoughMemory);
            os::SetLastErrorCode(0);
            return;
        }
        ASSERT_EQ(strata_requested_size(block), bytes);
        ASSERT_EQ(strata_heap_of(block), heap);
        if (zero) {
            ASSERT_EQ(FindNonZero(block, 0, Checked(bytes)), Checked(bytes));
            ASSERT_EQ(FindNonZero(block, bytes - Checked(bytes), bytes), bytes);
        }
        FillPattern(block, Checked(bytes), bytes);
        held_.push_back({block, bytes, heap});
    }

    static void Check(const Held& each) {
        ASSERT_EQ(strata_requested_size(each.block), each.bytes);
        ASSERT_EQ(FindPatternBreak(each.block, Checked(each.bytes), each.bytes),
                  Checked(each.bytes));
    }
    void CheckAll() {
        for (const Held& each : held_) Check(each);
    }

    void UseHeap(strata_heap* heap) {
        for (const size_t bytes : {0, 16, 48, 300, 1000, 3000, 20481, 65536}) {
            for (int i = 0; i < 5; ++i) Got(strata_heap_malloc(heap, bytes), bytes, heap, false);
        }
        // Enough of one class for magazines, and for a second slab.
        for (int i = 0; i < 150; ++i) Got(strata_heap_malloc(heap, 1000), 1000, heap, false);
        for (const size_t bytes : {100, 5000, 70000, 1 << 20}) {
            Got(strata_heap_calloc(heap, 1, bytes), bytes, heap, true);
        }
        for (const size_t alignment : {64, 4096, 65536, 1 << 20}) {
            Got(strata_heap_aligned_alloc(heap, alignment, 500), 500, heap, false);
        }
    }

    void Resize() {
        for (size_t i = 0; i < held_.size(); i += 7) {
            Held& each = held_[i];
            for (const size_t bytes : {each.bytes + 1, each.bytes + 70000, each.bytes / 2}) {
                void* const block = i % 2 == 0 ? strata_realloc(each.block, bytes)
                                               : strata_recalloc(each.block, bytes, 1);
                if (block == nullptr) {
                    ++failures_;
                    Check(each);
                    continue;
                }
                const size_t kept = Checked(bytes < each.bytes ? bytes : each.bytes);
                ASSERT_EQ(FindPatternBreak(block, kept, each.bytes), kept);
                each = {block, bytes, each.heap};
                FillPattern(block, Checked(bytes), bytes);
            }
            if (strata_expand(each.block, each.bytes + 200000) == nullptr) {
                Check(each);
            } else {
                each.bytes += 200000;
                FillPattern(each.block, Checked(each.bytes), each.bytes);
            }
        }
    }

    // Blocks in reservations of their own, and enough large ones for a second arena.
    void Direct() {
        strata_heap* const process = strata_heap_process();
        if (process == nullptr) return;
        for (const size_t bytes : {size_t{40} << 20, size_t{100} << 20}) {
            Got(strata_malloc(bytes), bytes, process, false);
        }
        Got(strata_aligned_alloc(size_t{64} << 20, 100), 100, process, false);
        // A cached run that has too few pages for the next who wants it.
        strata_free(strata_malloc(70000));
        Got(strata_malloc(130000), 130000, process, false);
        for (int i = 0; i < 6; ++i) {
            const size_t bytes = size_t{15} << 20;
            Got(strata_heap_malloc(shared_, bytes), bytes, shared_, false);
        }
    }

    void FreeEveryThird() {
        for (size_t i = 0; i < held_.size(); i += 2) {
            Check(held_[i]);
            if (i % 4 == 0) {
                strata_free_sized(held_[i].block, held_[i].bytes);
            } else {
                strata_heap_free(held_[i].heap, held_[i].block);
            }
            held_[i] = held_.back();
            held_.pop_back();
        }
    }

    static void Look(strata_heap* heap) {
        EXPECT_EQ(strata_heap_validate(heap), 1);
        heap::WalkEntry entry;
        while (heap::WalkStep(*heap::FromHandle(heap), entry)) {
        }
        strata_statistics statistics;
        statistics.struct_size = sizeof statistics;
        EXPECT_EQ(strata_get_statistics(&statistics), 1);
        heap::Heap* const target = heap::FromHandle(heap);
        heap::LockHeap(*target);
        strata_heap_free(heap, strata_heap_malloc(heap, 777));
        EXPECT_TRUE(heap::UnlockHeap(*target));
        heap::Purge(*target);
    }

    void Forget(strata_heap* heap) {
        std::erase_if(held_, [=](const Held& each) { return each.heap == heap; });
    }

    strata_heap* shared_;
    std::vector<Held> held_;
    size_t failures_ = 0;
};

// In a new thread, whose cache has to be made, too.
size_t RunScenario(strata_heap* shared) {
    size_t failures = 0;
    std::thread([&] {
        Scenario scenario(shared);
        scenario.Run();
        failures = scenario.failures();
    }).join();
    return failures;
}

// What is committed after a purge, and that later it is no more. Records that are quiet give pages
// back now and then: both times they have.
class Memory {
public:
    Memory() : metadata_(MetadataCommitted()) {}

    void Check() const {
        EXPECT_LE(arena::g_arenas.slice_committed(), slices_);
        EXPECT_EQ(slab::DirectCommitted(), direct_);
        // The first slice of a metadata size stays.
        EXPECT_LE(MetadataCommitted(), metadata_ + 64 * 1024);
        // The records and the slice map of arenas at new places stay; in strict modes freed blocks
        // take new places all the time, until as many addresses rest as may.
        const size_t records = (IsStrict() ? 4 : 2) << 20;
        EXPECT_LE(arena::g_memory.Counters().committed, all_ + records);
    }

private:
    static size_t MetadataCommitted() {
        for (uint32_t i = 0; i <= kQuietLooks; ++i) arena::g_metadata.PurgePages();
        return arena::g_metadata_arenas.slice_committed();
    }

    const size_t metadata_;
    const size_t slices_ = arena::g_arenas.slice_committed();
    const size_t direct_ = slab::DirectCommitted();
    const size_t all_ = arena::g_memory.Counters().committed;
};

struct Faults {
    const char* name;
    CallSet calls;
    bool from_then_on;
};

void PrintTo(const Faults& faults, std::ostream* out) { *out << faults.name; }

class Fault : public testing::TestWithParam<Faults> {};

TEST_P(Fault, NothingButNull) {
    const auto& [name, calls, from_then_on] = GetParam();
    if (test::LeavesOneThreadToOthers() && name != std::string_view("AnyFromThenOn")) {
        GTEST_SKIP();
    }
    // Single calls, which are among those of the other cases.
    const bool part = calls == test::kReserve || calls == test::kCommit ||
                      calls == test::kDecommit || calls == test::kRelease;
    if (part && test::LeavesPartsToNative()) GTEST_SKIP() << "left to the native build";
    strata_heap* const shared = strata_heap_create();
    // As it is when all has been used before: records, and the slice map of the places arenas lie;
    // in strict modes the records of freed guarded blocks, which stay for a while.
    if (IsStrict()) {
        for (size_t i = 0; i < kGuardedQueueBlocks; ++i) strata_free(strata_malloc(70000));
    }
    for (int i = 0; i < 3; ++i) ASSERT_EQ(RunScenario(shared), 0u);
    strata_purge();
    const size_t caches = cache::ThreadCacheCount();
    const Memory before;
    const size_t reserved = arena::g_memory.Counters().reserved;

    FaultInjector faults(arena::g_memory);
    size_t met = 0;
    const size_t runs = test::FailEachInTurn(
        faults, calls, from_then_on,
        [&](size_t n) {
            SCOPED_TRACE(testing::Message() << name << ", from call " << n);
            met += RunScenario(shared);
        },
        [&](size_t n) {
            SCOPED_TRACE(testing::Message() << name << ", after call " << n);
            ASSERT_EQ(strata_heap_validate(shared), 1);
            ASSERT_EQ(strata_heap_validate(strata_heap_process()), 1);
            ASSERT_EQ(cache::ThreadCacheCount(), caches);
            // Another thread finds no lock held, and memory again.
            std::thread([&] {
                for (strata_heap* heap : {shared, strata_heap_process()}) {
                    for (const size_t bytes : {10, 1000, 30000, 100000}) {
                        void* const block = strata_heap_malloc(heap, bytes);
                        ASSERT_NE(block, nullptr);
                        strata_heap_free(heap, block);
                    }
                }
                strata_heap* const other = strata_heap_create();
                ASSERT_NE(other, nullptr);
                strata_heap_destroy(other);
                strata_purge();
            }).join();
            strata_purge();
            strata_statistics statistics;
            statistics.struct_size = sizeof statistics;
            strata_get_statistics(&statistics);
            ASSERT_EQ(statistics.live_blocks, 0u);
            ASSERT_NO_FATAL_FAILURE(before.Check());
        });
    std::printf("%s: %zu runs met a failing call, %zu requests got NULL\n", name, runs, met);
    EXPECT_GT(runs, 0u);
    EXPECT_LT(runs, 5'000u);
    if ((calls & test::kTakingMemory) != 0) {
        // One call that fails may be made up for by what Strata can give back.
        if (from_then_on) {
            EXPECT_GT(met, 0u);
        }
    } else if (!store::g_modes.hardened) {  // there, no slab is made whose guards still have memory
        EXPECT_EQ(met, 0u) << "memory that is not given back is no reason to refuse any";
    }
    EXPECT_EQ(RunScenario(shared), 0u) << "works again";
    strata_purge();
    before.Check();
    EXPECT_LE(arena::g_memory.Counters().reserved, reserved + (size_t{1} << 40));
    strata_heap_destroy(shared);
}

INSTANTIATE_TEST_SUITE_P(Calls, Fault,
                         // AnyOnce is each call of each kind failing once.
                         testing::Values(Faults{"AnyOnce", test::kAnyCall, false},
                                         Faults{"AnyFromThenOn", test::kAnyCall, true},
                                         Faults{"ReserveFromThenOn", test::kReserve, true},
                                         Faults{"CommitFromThenOn", test::kCommit, true},
                                         Faults{"TakingFromThenOn", test::kTakingMemory, true},
                                         Faults{"DecommitFromThenOn", test::kDecommit, true},
                                         Faults{"ReleaseFromThenOn", test::kRelease, true},
                                         Faults{"GivingBackFromThenOn", test::kGivingBack, true}),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace strata
