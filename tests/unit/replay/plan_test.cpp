#include "replay/plan.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "support/memory_trace.h"

namespace strata::replay {
namespace {

using test::MemoryRecording;

// What the recorder wrote, as a plan.
struct Made {
    explicit Made(MemoryRecording& recording) {
        recording.recorder.Finish();
        trace = ReadTrace(recording.trace.bytes);
        plan = std::make_unique<Plan>(MostOperations(trace),
                                      static_cast<size_t>(trace.MostStamps()) + 1);
        MakePlan(trace, *plan);
    }
    const Operation& At(size_t index) const { return plan->operations[index]; }

    Trace trace;
    std::unique_ptr<Plan> plan;
};

TEST(Plan, OneThreadNeedsNoOther) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.Allocate(1, 100);
    recording.Allocate(2, 50);
    recording.Free(1);
    recording.Allocate(3, 30);  // takes the slot of the first
    const Made made(recording);
    ASSERT_EQ(made.plan->operations.size(), 4u);
    for (uint32_t i = 0; i < 4; ++i) {
        EXPECT_EQ(made.At(i).after, kNoOperation);
        EXPECT_EQ(made.At(i).next, i < 3 ? i + 1 : kNoOperation);
    }
    EXPECT_EQ(made.At(3).slot, made.At(0).slot);
    EXPECT_NE(made.At(1).slot, made.At(0).slot);
    const TraceSummary& summary = made.plan->summary;
    EXPECT_EQ(summary.peak_live, 150u);
    EXPECT_EQ(summary.peak_blocks, 2u);
    EXPECT_EQ(summary.live, 80u);
    EXPECT_EQ(summary.requested, 180u);
    EXPECT_EQ(summary.sizes.at(128), 1u);
    EXPECT_EQ(summary.sizes.at(64), 1u);
    EXPECT_EQ(summary.sizes.at(32), 1u);
}

TEST(Plan, ABlockThatChangesThreadsWaitsForTheOther) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.Allocate(1, 100);  // 0
    std::thread([&] {
        recording.Allocate(2, 10);  // 1
        const observe::Named named = recording.recorder.BeginResize(recording.Address(1));
        recording.recorder.EndResize(named, recording.Address(1), recording.Address(1), 9, 0,
                                     false);  // 2
        recording.Free(2);                    // 3
    }).join();
    recording.Free(1);          // 4
    recording.Allocate(5, 20);  // 5: not into the slot of the block that the other thread freed
    const Made made(recording);
    ASSERT_EQ(made.plan->operations.size(), 6u);
    EXPECT_EQ(made.At(1).after, kNoOperation);
    EXPECT_EQ(made.At(2).after, 0u);
    EXPECT_EQ(made.At(3).after, kNoOperation);
    EXPECT_EQ(made.At(4).after, 2u);
    EXPECT_EQ(made.At(5).slot, made.At(4).slot);
    EXPECT_NE(made.At(5).slot, made.At(3).slot);
    EXPECT_EQ(made.plan->threads.size(), 2u);
    EXPECT_EQ(made.plan->threads[1].first, 1u);
    EXPECT_EQ(made.plan->threads[1].operations, 3u);
    EXPECT_EQ(made.plan->summary.across, 0u);
}

TEST(Plan, TheEndOfAHeapFreesItsBlocks) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    const void* const heap = recording.Address(0x900);
    recording.recorder.CreatedHeap(heap);
    recording.Allocate(1, 10, heap);
    recording.Allocate(2, 10);
    recording.Allocate(3, 10, heap);
    recording.Allocate(4, 10, heap);
    recording.Free(3);
    recording.recorder.DestroysHeap(heap);
    recording.Free(1);  // somebody else's at that place: from before, for all that is known
    const Made made(recording);
    const TraceSummary& summary = made.plan->summary;
    EXPECT_EQ(summary.ended_with_heap, 2u);
    EXPECT_EQ(summary.live_blocks, 1u);
    EXPECT_EQ(summary.foreign, 1u);
    EXPECT_EQ(made.plan->operations.size(), 4u + 3u);
}

TEST(Plan, WhatFailedIsNotDone) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.recorder.Allocated(recording.ProcessHeap(), nullptr, uint64_t{1} << 40, false);
    recording.Allocate(1, 10);
    const observe::Named named = recording.recorder.BeginResize(recording.Address(1));
    recording.recorder.EndResize(named, recording.Address(1), nullptr, 20, observe::kInPlace,
                                 false);
    recording.Free(1);
    const Made made(recording);
    EXPECT_EQ(made.plan->operations.size(), 2u);
    EXPECT_EQ(made.plan->summary.failed, 2u);
    EXPECT_EQ(made.plan->summary.peak_live, 10u);
}

// The allocation was in a buffer that a killed process never wrote.
TEST(Plan, LostAllocationsAreCountedAndLeftOut) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.Allocate(1, 10);  // this thread's buffer stays unwritten
    std::thread([&] {
        recording.Free(1);
        recording.Allocate(2, 10);
        recording.recorder.ThreadEnds();
    }).join();
    const Trace trace = ReadTrace(recording.trace.bytes);
    EXPECT_FALSE(trace.whole);
    Plan plan(MostOperations(trace), static_cast<size_t>(trace.MostStamps()) + 1);
    MakePlan(trace, plan);
    EXPECT_EQ(plan.summary.lost, 1u);
    EXPECT_EQ(plan.operations.size(), 1u);
    recording.recorder.Finish();
}

}  // namespace
}  // namespace strata::replay
