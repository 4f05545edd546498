#include "arena/slice_map.h"

#include <gtest/gtest.h>

#include <memory>

#include "arena/tables.h"
#include "support/fault_injection.h"
#include "support/model.h"

namespace strata::arena {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr size_t kEntryBytes = kSlicesPerArena * sizeof(SliceEntry);

// A map over addresses that nothing needs to lie at. Its memory stays: a map lives as long as its
// process, and knows no other end.
class SliceMapTest : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(InitializeTables(memory_, os::kAddressEnd, map_.get(), nullptr, 0));
    }

    // Arena `index` of those with tag `tag`.
    static uintptr_t Base(uintptr_t tag, size_t index) {
        return (tag << kTagShift) + index * kArenaSize;
    }

    os::Memory memory_{os::kCallsOf<os::SystemMemory>};
    std::unique_ptr<SliceMap> map_ = std::make_unique<SliceMap>();
};

TEST_F(SliceMapTest, KnowsNothingAtFirst) {
    test::Random random(1);
    EXPECT_FALSE(map_->Knows(0));
    EXPECT_EQ(map_->Find(0), nullptr);
    EXPECT_FALSE(map_->Knows(UINTPTR_MAX));
    for (uintptr_t bit = 1; bit != 0; bit <<= 1) {
        EXPECT_FALSE(map_->Knows(bit));
        EXPECT_FALSE(map_->Knows(bit - 1));
        EXPECT_FALSE(map_->Knows(~bit));
    }
    for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(map_->Knows(random.Skewed(UINT64_MAX)));
}

TEST_F(SliceMapTest, KnowsExactlyWhatWasAdded) {
    for (const uintptr_t base :
         {Base(0x7f, 5), Base(1, 0), Base(0, 3), Base(0xffffff, kMapArenas - 1)}) {
        ASSERT_TRUE(map_->HasRoomFor(base, kArenaSize));
        ASSERT_TRUE(map_->Add(memory_, base, kArenaSize));
        EXPECT_TRUE(map_->Knows(base));
        EXPECT_TRUE(map_->Knows(base + kArenaSize - 1));
        EXPECT_FALSE(map_->Knows(base - 1));
        EXPECT_FALSE(map_->Knows(base + kArenaSize));
        // The same index under every other tag.
        for (uintptr_t tag = 0; tag < 0x1000; ++tag) {
            const uintptr_t twin = base ^ (tag << kTagShift);
            ASSERT_EQ(map_->Knows(twin), tag == 0) << tag;
        }
        map_->Remove(base, kArenaSize);
        EXPECT_FALSE(map_->Knows(base));
        EXPECT_EQ(map_->Find(base + 1), nullptr);
    }
}

TEST_F(SliceMapTest, EveryAddressOfASliceHasOneEntry) {
    const uintptr_t base = Base(0x7f, 77);
    ASSERT_TRUE(map_->Add(memory_, base, kArenaSize));
    for (size_t slice = 0; slice < kSlicesPerArena; ++slice) {
        const uintptr_t start = base + slice * kSliceSize;
        SliceEntry* const entry = map_->Find(start);
        ASSERT_NE(entry, nullptr);
        ASSERT_EQ(map_->Find(start + kSliceSize - 1), entry);
        ASSERT_EQ(entry, map_->Find(base) + slice);
        ASSERT_EQ(entry->kind.load(kRelaxed), SliceKind::kNone);
        ASSERT_EQ(entry->reciprocal.load(kRelaxed), 0u);
    }
}

TEST_F(SliceMapTest, TwoArenasWithOneIndexDoNotFit) {
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 9), kArenaSize));
    EXPECT_FALSE(map_->HasRoomFor(Base(0x7e, 9), kArenaSize));
    EXPECT_TRUE(map_->HasRoomFor(Base(0x7e, 10), kArenaSize));
    EXPECT_FALSE(map_->HasRoomFor(Base(0x7e, 8), 2 * kArenaSize));
    EXPECT_TRUE(map_->HasRoomFor(Base(0x7e, 7), 2 * kArenaSize));
    map_->Remove(Base(0x7f, 9), kArenaSize);
    EXPECT_FALSE(map_->HasRoomFor(Base(0x7e, 9), kArenaSize)) << "still in the window";
    EXPECT_TRUE(map_->HasRoomFor(Base(0x7f, 9), kArenaSize));
}

TEST_F(SliceMapTest, AnIndexOutsideTheWindowIsFreeAgain) {
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 9), kArenaSize));
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 500), kArenaSize));
    EXPECT_FALSE(map_->IsInWindow(Base(0x7f, 500)));
    EXPECT_FALSE(map_->HasRoomFor(Base(0x7e, 500), kArenaSize));
    map_->Remove(Base(0x7f, 500), kArenaSize);
    EXPECT_TRUE(map_->HasRoomFor(Base(0x7e, 500), kArenaSize));
}

// What the window says and what the tags say must never differ.
void ExpectWindow(const SliceMap& map, uintptr_t start, size_t arenas) {
    EXPECT_EQ(map.window_start(), start);
    EXPECT_EQ(map.window_bytes(), arenas * kArenaSize);
    EXPECT_FALSE(map.IsInWindow(start - 1));
    EXPECT_TRUE(map.IsInWindow(start));
    EXPECT_TRUE(map.IsInWindow(map.window_end() - 1));
    EXPECT_FALSE(map.IsInWindow(map.window_end()));
    EXPECT_FALSE(map.IsInWindow(start ^ (uintptr_t{1} << kTagShift)));
    for (uintptr_t address = start; address < map.window_end(); address += kSliceSize) {
        ASSERT_EQ(map.EntryAt(address)->reciprocal.load(kRelaxed), 0u) << "readable";
    }
}

TEST_F(SliceMapTest, TheWindowGrowsBothWaysAndOverShortGaps) {
    EXPECT_FALSE(map_->IsInWindow(0));
    EXPECT_FALSE(map_->IsInWindow(UINTPTR_MAX));
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 100), kArenaSize));
    ExpectWindow(*map_, Base(0x7f, 100), 1);
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 101), 2 * kArenaSize));
    ExpectWindow(*map_, Base(0x7f, 100), 3);
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 95), kArenaSize));
    ExpectWindow(*map_, Base(0x7f, 95), 8);
    EXPECT_FALSE(map_->Knows(Base(0x7f, 97))) << "in the window, and yet nobody's";
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 97), kArenaSize));
    ExpectWindow(*map_, Base(0x7f, 95), 8);
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 110), kArenaSize));
    ExpectWindow(*map_, Base(0x7f, 95), 8);
    EXPECT_TRUE(map_->Knows(Base(0x7f, 110))) << "too far away, and found all the same";
}

TEST_F(SliceMapTest, TheWindowNeverReadsAnotherArenasEntry) {
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 50), kArenaSize));
    ASSERT_TRUE(map_->Add(memory_, Base(0x33, 52), kArenaSize));
    // Between 50 and 53 lies an index that is somebody else's.
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 53), kArenaSize));
    ExpectWindow(*map_, Base(0x7f, 50), 1);
    EXPECT_FALSE(map_->HasRoomFor(Base(0x33, 50), kArenaSize));
}

TEST_F(SliceMapTest, AGapWithoutMemoryForItsEntriesStaysOutside) {
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 50), kArenaSize));
    test::FaultInjector faults(memory_);
    faults.FailFrom(test::kCommit, 2);
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 53), kArenaSize)) << "its own entries came first";
    faults.StopFailing();
    ExpectWindow(*map_, Base(0x7f, 50), 1);
    EXPECT_TRUE(map_->Knows(Base(0x7f, 53)));
}

TEST_F(SliceMapTest, OneReservationMayWrapRoundTheIndexes) {
    const uintptr_t base = Base(0x7f, kMapArenas - 2);
    ASSERT_TRUE(map_->HasRoomFor(base, 4 * kArenaSize));
    ASSERT_TRUE(map_->Add(memory_, base, 4 * kArenaSize));
    for (uintptr_t address = base; address < base + 4 * kArenaSize; address += kSliceSize) {
        ASSERT_TRUE(map_->Knows(address));
        ASSERT_EQ(map_->Find(address)->kind.load(kRelaxed), SliceKind::kNone);
    }
    EXPECT_TRUE(map_->Knows(Base(0x80, 1)));
    EXPECT_FALSE(map_->Knows(Base(0x7f, 1)));
    EXPECT_FALSE(map_->Knows(Base(0x80, kMapArenas - 1)));
    map_->Remove(base, 4 * kArenaSize);
    EXPECT_FALSE(map_->Knows(Base(0x80, 1)));
}

TEST_F(SliceMapTest, NothingLargerThanTheMapFits) {
    EXPECT_TRUE(map_->HasRoomFor(Base(0x7f, 0), kMapArenas * kArenaSize));
    EXPECT_FALSE(map_->HasRoomFor(Base(0x7f, 0), (kMapArenas + 1) * kArenaSize));
}

TEST_F(SliceMapTest, SlabEntriesSayWhatAFreeNeeds) {
    const uintptr_t base = Base(0x7f, 3) + 10 * kSliceSize;
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 3), kArenaSize));
    int record = 0;
    StateByte states[4] = {};
    const SizeClass size_class = ClassOf(5000);
    map_->SetSlab(base, 3, &record, states, size_class, 0x1234);
    for (size_t slice = 0; slice < 3; ++slice) {
        const SliceEntry& entry = *map_->Find(base + slice * kSliceSize + 77);
        EXPECT_EQ(entry.kind.load(kRelaxed), SliceKind::kSlab);
        EXPECT_EQ(entry.record.load(kRelaxed), &record);
        EXPECT_EQ(entry.states.load(kRelaxed), states);
        EXPECT_EQ(entry.reciprocal.load(kRelaxed), InfoOf(size_class).reciprocal);
        EXPECT_EQ(entry.slab_base.load(kRelaxed), static_cast<uint32_t>(base));
        EXPECT_EQ(entry.bin_offset.load(kRelaxed), 0x1234);
        EXPECT_EQ(entry.size_class.load(kRelaxed), Index(size_class));
    }
    EXPECT_EQ(map_->Find(base - 1)->kind.load(kRelaxed), SliceKind::kNone);
    EXPECT_EQ(map_->Find(base + 3 * kSliceSize)->kind.load(kRelaxed), SliceKind::kNone);
    map_->Clear(base, 3);
    for (size_t slice = 0; slice < 3; ++slice) {
        const SliceEntry& entry = *map_->Find(base + slice * kSliceSize);
        EXPECT_EQ(entry.kind.load(kRelaxed), SliceKind::kNone);
        EXPECT_EQ(entry.reciprocal.load(kRelaxed), 0u) << "a stale free would take it for a slab";
        EXPECT_EQ(entry.record.load(kRelaxed), nullptr);
    }
}

TEST_F(SliceMapTest, RunEntriesTellTheFirstSliceFromTheRest) {
    const uintptr_t base = Base(0x7f, 3);
    ASSERT_TRUE(map_->Add(memory_, base, kArenaSize));
    int record = 0;
    map_->SetRun(base + kSliceSize, 4, &record);
    EXPECT_EQ(map_->Find(base)->kind.load(kRelaxed), SliceKind::kNone);
    for (size_t slice = 1; slice <= 4; ++slice) {
        const SliceEntry& entry = *map_->Find(base + slice * kSliceSize);
        EXPECT_EQ(entry.kind.load(kRelaxed),
                  slice == 1 ? SliceKind::kRun : SliceKind::kRunInterior);
        EXPECT_EQ(entry.record.load(kRelaxed), &record);
        EXPECT_EQ(entry.reciprocal.load(kRelaxed), 0u);
    }
    EXPECT_EQ(map_->Find(base + 5 * kSliceSize)->kind.load(kRelaxed), SliceKind::kNone);
}

TEST_F(SliceMapTest, EntriesAreCommittedOnceForEachArena) {
    const auto committed = [&] { return memory_.Counters().committed; };
    EXPECT_EQ(committed(), 0u);
    ASSERT_TRUE(map_->Add(memory_, Base(0x7f, 1), kArenaSize));
    EXPECT_EQ(committed(), kEntryBytes);
    map_->Remove(Base(0x7f, 1), kArenaSize);
    ASSERT_TRUE(map_->Add(memory_, Base(0x70, 1), kArenaSize));
    EXPECT_EQ(committed(), kEntryBytes);
    ASSERT_TRUE(map_->Add(memory_, Base(0x70, 2), 3 * kArenaSize));
    EXPECT_EQ(committed(), 4 * kEntryBytes);
}

TEST_F(SliceMapTest, AFailedAddLeavesNothingKnown) {
    test::FaultInjector faults(memory_);
    const uintptr_t base = Base(0x7f, 40);
    size_t failures = 0;
    bool added = false;
    failures = test::FailEachInTurn(
        faults, test::kCommit, true,
        [&](size_t) { added = map_->Add(memory_, base, 5 * kArenaSize); },
        [&](size_t) {
            for (size_t i = 0; i < 5; ++i) ASSERT_EQ(map_->Knows(base + i * kArenaSize), added);
            ASSERT_EQ(map_->HasRoomFor(base, 5 * kArenaSize), !added);
        });
    EXPECT_TRUE(added);
    EXPECT_GE(failures, 1u);
    EXPECT_EQ(memory_.Counters().committed, 5 * kEntryBytes);
}

}  // namespace
}  // namespace strata::arena
