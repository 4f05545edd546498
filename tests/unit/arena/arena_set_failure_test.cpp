// ArenaSet when the system refuses: nothing is lost, no lock stays held, and it works again later.
#include <gtest/gtest.h>

#include <algorithm>

#include "arena/arena_set.h"
#include "base/bits.h"
#include "support/arena_fixture.h"

namespace strata::arena {
namespace {

class ArenaSetFailureTest : public ArenaFixture {};

TEST_F(ArenaSetFailureTest, AllocateSurvivesEveryFailure) {
    size_t tries = 0;
    char* base = nullptr;
    const size_t failures = test::FailEachInTurn(
        faults_, test::kTakingMemory, true,
        [&](size_t) {
            base = arenas_->Allocate(2, 1, kMe);
            ++tries;
        },
        [&](size_t) {
            if (base != nullptr) return;
            EXPECT_EQ(arenas_->arenas(), 0u);
            EXPECT_TRUE(arenas_->lock().TryAcquire()) << "a lock stayed held";
            arenas_->lock().Release();
        });
    EXPECT_NE(base, nullptr);
    EXPECT_EQ(tries, failures + 1);
    EXPECT_EQ(failures, 3u) << "the reservation, the record, the map's entries";
    CommitAll(base, 2);
}

TEST_F(ArenaSetFailureTest, AFailedAllocateGivesItsReservationBack) {
    const size_t reserved = memory_.Counters().reserved;
    faults_.FailFrom(test::kCommit, 1);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(arenas_->Allocate(1, 1, kMe), nullptr);
    EXPECT_EQ(arenas_->AllocateDedicated(kArenaSize, kSliceSize, kMe), nullptr);
    EXPECT_EQ(memory_.Counters().reserved, reserved);
    faults_.StopFailing();
    EXPECT_NE(arenas_->Allocate(1, 1, kMe), nullptr);
}

TEST_F(ArenaSetFailureTest, AFailedCommitLeavesTheBooksAlone) {
    char* const base = Take(2);
    ASSERT_TRUE(arenas_->Commit(base, base + kPageSize));
    const size_t before = Committed();
    faults_.FailNth(test::kCommit, 1);
    EXPECT_FALSE(arenas_->Commit(base, base + 2 * kSliceSize));
    EXPECT_EQ(Committed(), before);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 2), kPageSize);
    EXPECT_EQ(arenas_->slice_committed(), kPageSize);
    CommitAll(base, 2);
    EXPECT_EQ(arenas_->slice_committed(), 2 * kSliceSize);
}

// What lies idle is given back by who knows all of it (heap/reclaim.h): here a refusal is counted,
// and no more.
TEST_F(ArenaSetFailureTest, ARefusedCommitIsCounted) {
    char* const base = Take(2);
    char* const warm = Take(1);
    CommitAll(warm, 1);
    arenas_->Free(warm, 1);
    const size_t refusals = memory_.refusals();
    faults_.FailNth(test::kCommit, 1);
    EXPECT_FALSE(arenas_->Commit(base, base + kPageSize));
    EXPECT_EQ(arenas_->slice_committed(), kSliceSize);
    EXPECT_EQ(faults_.Failures(), 1u);
    EXPECT_EQ(memory_.refusals(), refusals + 1);
}

TEST_F(ArenaSetFailureTest, DedicatedSurvivesEveryFailure) {
    char* base = nullptr;
    const size_t reserved = memory_.Counters().reserved;
    const size_t failures = test::FailEachInTurn(
        faults_, test::kTakingMemory, false,
        [&](size_t) { base = arenas_->AllocateDedicated(3 * kArenaSize, kSliceSize, kMe); },
        [&](size_t) {
            if (base != nullptr) return;
            EXPECT_EQ(memory_.Counters().reserved, reserved);
        });
    ASSERT_NE(base, nullptr);
    // The reservation, the record, the entries of three arenas; what one try could commit of these
    // may serve the next.
    EXPECT_GE(failures, 4u);
    ASSERT_TRUE(memory_.Commit(base, kSliceSize, kSliceSize));
    const size_t committed = Committed();
    // A release that fails costs addresses, not commit charge.
    faults_.FailNth(test::kRelease, 1);
    arenas_->FreeDedicated(base, kSliceSize);
    EXPECT_EQ(Committed(), committed - kSliceSize);
    EXPECT_FALSE(map_->Knows(AddressOf(base)));
    EXPECT_EQ(arenas_->arenas(), 0u);
}

// Neither the release nor the decommit: the block is on the books until a purge gets rid of it.
TEST_F(ArenaSetFailureTest, WhatCannotBeGivenBackIsTriedAgainByThePurge) {
    char* const base = arenas_->AllocateDedicated(2 * kArenaSize, kSliceSize, kMe);
    ASSERT_NE(base, nullptr);
    const size_t reserved = memory_.Counters().reserved;
    ASSERT_TRUE(memory_.Commit(base, kSliceSize, kSliceSize));
    const size_t committed = Committed();
    faults_.FailFrom(test::kGivingBack, 1);
    arenas_->FreeDedicated(base, kSliceSize);
    EXPECT_EQ(Committed(), committed);
    PurgeAll();
    EXPECT_EQ(Committed(), committed);
    EXPECT_EQ(arenas_->NextOwned(0, kMe), nullptr) << "it is nobody's";
    EXPECT_FALSE(map_->HasRoomFor(AddressOf(base), kArenaSize)) << "the addresses are not free";
    faults_.StopFailing();
    PurgeAll();
    EXPECT_EQ(Committed(), committed - kSliceSize);
    EXPECT_EQ(memory_.Counters().reserved, reserved - 2 * kArenaSize);
    EXPECT_FALSE(map_->Knows(AddressOf(base)));
    EXPECT_FALSE(map_->Knows(AddressOf(base) + kArenaSize));
    EXPECT_EQ(arenas_->arenas(), 0u);
}

// Others' memory at the bottom of the window, more than is tried there: the places above are used
// again.
TEST_F(ArenaSetFailureTest, OthersInTheWindowDoNotMakeItGrow) {
    constexpr size_t kPlaces = 12;
    const auto take = [&](size_t bytes) {
        char* const base = arenas_->AllocateDedicated(bytes, kArenaSize, kMe);
        EXPECT_NE(base, nullptr);
        return base;
    };
    char* places[kPlaces];
    for (char*& place : places) place = take(kArenaSize);
    std::sort(places, places + kPlaces);
    for (char* place : places) arenas_->FreeDedicated(place, 0);
    for (size_t i = 0; i < kPlaces / 2; ++i) {
        os::ReserveRequest request;
        request.address = places[i];
        request.bytes = kSliceSize;
        ASSERT_EQ(memory_.Reserve(request), places[i]);
    }
    const auto come_and_go = [&] {
        char* const one = take(kArenaSize);
        char* const two = take(2 * kArenaSize);
        char* const three = take(kArenaSize);
        arenas_->FreeDedicated(two, 0);
        arenas_->FreeDedicated(one, 0);
        arenas_->FreeDedicated(three, 0);
    };
    come_and_go();
    const size_t committed = Committed();
    const size_t window = map_->window_bytes();
    for (int i = 0; i < 20; ++i) come_and_go();
    EXPECT_EQ(Committed(), committed) << "no new places' records";
    EXPECT_EQ(map_->window_bytes(), window);
    for (size_t i = 0; i < kPlaces / 2; ++i) memory_.Release(places[i], kSliceSize, 0);
}

TEST_F(ArenaSetFailureTest, AReleasedPlaceIsUsedAgain) {
    const auto once = [&] {
        char* const base = arenas_->AllocateDedicated(kArenaSize, kArenaSize, kMe);
        ASSERT_NE(base, nullptr);
        arenas_->FreeDedicated(base, 0);
    };
    Take(1);
    once();
    const size_t before = Committed();
    for (int i = 0; i < 50; ++i) once();
    EXPECT_EQ(Committed(), before) << "no entries and records for ever new places";
}

}  // namespace
}  // namespace strata::arena
