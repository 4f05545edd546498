#include "observe/recorder.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "base/constants.h"
#include "os/process.h"
#include "replay/plan.h"
#include "replay/trace_reader.h"
#include "support/fault_injection.h"
#include "support/memory_trace.h"

namespace strata::observe {
namespace {

using replay::Event;
using test::MemoryRecording;

std::vector<Event> EventsOf(const MemoryRecording& recording, bool whole = true) {
    const replay::Trace trace = replay::ReadTrace(recording.trace.bytes);
    EXPECT_EQ(trace.whole, whole);
    replay::EventStream stream(trace);
    std::vector<Event> events;
    for (Event event; stream.Next(event);) events.push_back(event);
    return events;
}

TEST(Recorder, WritesWhatHappened) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.Allocate(100, 48);                                                             // 1
    recording.recorder.Allocated(recording.ProcessHeap(), recording.Address(101), 7, true);  // 2
    recording.recorder.QueriesSize(recording.Address(100), false);                           // 3
    const Named named = recording.recorder.BeginResize(recording.Address(100));
    recording.recorder.EndResize(named, recording.Address(100), recording.Address(200), 5'000,
                                 kInPlace,
                                 false);                                             // 4
    recording.Free(200);                                                             // 5
    recording.recorder.Allocated(recording.ProcessHeap(), nullptr, 1 << 30, false);  // 6
    recording.recorder.Calls(OtherCall::kLock);                                      // 7
    recording.recorder.Finish();

    const std::vector<Event> events = EventsOf(recording);
    ASSERT_EQ(events.size(), 7u);
    for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].stamp, i + 1);
    EXPECT_EQ(events[0].kind, EventKind::kAllocate);
    EXPECT_EQ(events[0].size, 48u);
    EXPECT_EQ(events[0].flags, 0);
    EXPECT_EQ(events[1].flags, kZeroed);
    EXPECT_EQ(events[2].kind, EventKind::kQuerySize);
    EXPECT_EQ(events[2].block, 1u);
    EXPECT_EQ(events[3].kind, EventKind::kResize);
    EXPECT_EQ(events[3].block, 1u);
    EXPECT_EQ(events[3].size, 5'000u);
    EXPECT_EQ(events[3].flags, kInPlace);
    EXPECT_EQ(events[4].kind, EventKind::kFree);
    EXPECT_EQ(events[4].block, 1u);
    EXPECT_EQ(events[5].flags, kFailed);
    EXPECT_EQ(events[6].kind, EventKind::kOther);
    EXPECT_EQ(events[6].number, static_cast<uint64_t>(OtherCall::kLock));
}

TEST(Recorder, BlocksFromBeforeAreForeign) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.Free(1);
    recording.recorder.QueriesSize(recording.Address(2), false);
    const Named named = recording.recorder.BeginResize(recording.Address(3));
    recording.recorder.EndResize(named, recording.Address(3), recording.Address(4), 10, 0, false);
    recording.Free(4);  // foreign still
    recording.recorder.Frees(recording.Address(5), true);
    recording.recorder.QueriesSize(recording.Address(5), true);
    recording.recorder.Frees(nullptr, false);
    recording.recorder.Finish();
    const std::vector<Event> events = EventsOf(recording);
    ASSERT_EQ(events.size(), 4u);
    for (const Event& event : events) EXPECT_TRUE(event.Has(kForeign));
}

TEST(Recorder, AFailedResizeLeavesTheBlock) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.Allocate(1, 10);
    const Named named = recording.recorder.BeginResize(recording.Address(1));
    recording.recorder.EndResize(named, recording.Address(1), nullptr, 1 << 20, kZeroed, false);
    recording.Free(1);
    recording.recorder.Finish();
    const std::vector<Event> events = EventsOf(recording);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[1].flags, kFailed | kZeroed);
    EXPECT_EQ(events[2].block, 1u);
}

TEST(Recorder, NumbersHeaps) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    const void* const known = recording.Address(0x900);
    const void* const before = recording.Address(0x901);
    recording.recorder.CreatedHeap(known);
    recording.Allocate(1, 8, known);
    recording.Allocate(2, 8, before);  // says first that the heap was there
    recording.Allocate(3, 8, before);
    recording.recorder.DestroysHeap(known);
    recording.recorder.CreatedHeap(known);  // another at the same place
    recording.Allocate(4, 8, known);
    recording.recorder.Finish();
    const std::vector<Event> events = EventsOf(recording);
    ASSERT_EQ(events.size(), 8u);
    EXPECT_EQ(events[0].number, 1u);
    EXPECT_EQ(events[1].number, 1u);
    EXPECT_EQ(events[2].kind, EventKind::kCreateHeap);
    EXPECT_TRUE(events[2].Has(kForeign));
    EXPECT_EQ(events[3].number, 2u);
    EXPECT_EQ(events[4].number, 2u);
    EXPECT_EQ(events[5].kind, EventKind::kDestroyHeap);
    EXPECT_EQ(events[5].number, 1u);
    EXPECT_EQ(events[6].number, 3u);
    EXPECT_EQ(events[7].number, 3u);
}

// A block goes from one thread to another and back: in the trace no free comes before its
// allocation, and no place is used twice at once. The plan checks both.
TEST(Recorder, KeepsTheOrderOfAllThreads) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    constexpr int kThreads = 3;
    constexpr int kBlocks = 30'000;
    std::mutex lock;
    std::vector<void*> passed;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            const auto free = [&](void* block) {
                recording.recorder.Frees(block, false);
                std::free(block);
            };
            for (int i = 0; i < kBlocks; ++i) {
                void* block = std::malloc(24);
                recording.recorder.Allocated(recording.ProcessHeap(), block, 24, false);
                if (i % 3 == 0) {
                    free(block);
                    continue;
                }
                {
                    const std::lock_guard guard(lock);
                    passed.push_back(block);
                    block = i % 2 == 0 ? passed.front() : nullptr;
                    if (block != nullptr) {
                        passed.front() = passed.back();
                        passed.pop_back();
                    }
                }
                if (block != nullptr) free(block);
            }
            recording.recorder.ThreadEnds();
        });
    }
    for (std::thread& thread : threads) thread.join();
    recording.recorder.Finish();
    EXPECT_EQ(recording.trace.gave_up, 0);
    const replay::Trace trace = replay::ReadTrace(recording.trace.bytes);
    EXPECT_TRUE(trace.whole);
    replay::Plan plan(replay::MostOperations(trace), trace.MostStamps() + 1);
    replay::MakePlan(trace, plan);
    EXPECT_EQ(plan.summary.calls[static_cast<size_t>(EventKind::kAllocate)],
              static_cast<uint64_t>(kThreads) * kBlocks);
    EXPECT_EQ(plan.summary.foreign, 0u);
    EXPECT_EQ(plan.summary.live_blocks, passed.size());
    EXPECT_GT(plan.summary.across, 0u);
    for (void* block : passed) std::free(block);
}

TEST(Recorder, AThreadsEndWritesItsCalls) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    std::thread([&] {
        recording.Allocate(1, 8);
        EXPECT_EQ(recording.trace.bytes.size(), sizeof(FileHeader));
        recording.recorder.ThreadEnds();
        EXPECT_EQ(EventsOf(recording, false).size(), 1u);
        // What the thread still calls after its end is written at once.
        recording.Free(1);
        EXPECT_EQ(EventsOf(recording, false).size(), 2u);
        recording.Allocate(2, 8);
    }).join();
    recording.recorder.Finish();
    const std::vector<Event> events = EventsOf(recording);
    ASSERT_EQ(events.size(), 3u);
    for (const Event& event : events) EXPECT_EQ(event.thread, 0u);
}

// A thousand threads one after the other do not take a thousand buffers.
TEST(Recorder, BuffersAreUsedAgain) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    for (uintptr_t i = 1; i <= 300; ++i) {
        std::thread([&] {
            recording.Allocate(i, 8);
            recording.recorder.ThreadEnds();
        }).join();
    }
    recording.recorder.Finish();
    EXPECT_EQ(EventsOf(recording).size(), 300u);
    EXPECT_LE(recording.memory.Counters().peak_committed, 64u * kSliceSize);
}

// The system ends a thread wherever it stands, at the end of a process; its buffer is there.
TEST(Recorder, FinishWritesForThreadsThatAreGone) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    std::thread([&] { recording.Allocate(1, 8); }).join();
    recording.Free(1);
    recording.recorder.Finish();
    EXPECT_EQ(EventsOf(recording).size(), 2u);
    recording.Allocate(2, 8);  // too late, and no harm
    recording.recorder.Finish();
    EXPECT_EQ(EventsOf(recording).size(), 2u);
}

TEST(Recorder, AFullDiskEndsTheRecordingOnly) {
    MemoryRecording recording;
    ASSERT_TRUE(recording.Start());
    recording.trace.most = 150'000;
    for (uintptr_t i = 1; i <= 100'000; ++i) recording.Allocate(i, 8);
    recording.recorder.Finish();
    EXPECT_EQ(recording.trace.gave_up, 1);
    const std::vector<Event> events = EventsOf(recording, false);
    EXPECT_GT(events.size(), 10'000u);
    EXPECT_LT(events.size(), 100'000u);

    MemoryRecording nowhere;
    nowhere.trace.most = 0;
    EXPECT_FALSE(nowhere.Start());
    nowhere.Allocate(1, 8);
    nowhere.recorder.Finish();
    EXPECT_TRUE(nowhere.trace.bytes.empty());
}

TEST(Recorder, WithoutMemoryItGivesUp) {
    size_t runs = 0;
    for (bool failed = true; failed; ++runs) {
        MemoryRecording recording;
        test::FaultInjector faults(recording.memory);
        ASSERT_TRUE(recording.Start());
        faults.FailNth(test::kTakingMemory, runs + 1);
        const uint32_t error = os::GetLastErrorCode();
        for (uintptr_t i = 1; i <= 3'000; ++i)
            recording.Allocate(i, 8, recording.Address(0x900 + i % 2));
        EXPECT_EQ(os::GetLastErrorCode(), error);
        failed = faults.Failures() != 0;
        recording.recorder.Finish();
        EXPECT_EQ(recording.trace.gave_up, failed ? 1 : 0);
        EventsOf(recording, !failed);
        ASSERT_LT(runs, 1'000u);
    }
    EXPECT_GT(runs, 10u);
}

}  // namespace
}  // namespace strata::observe
