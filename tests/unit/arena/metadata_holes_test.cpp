// Metadata::PurgePages: pages of slices in which few chunks are in use.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "arena/metadata.h"
#include "base/bits.h"
#include "os/process.h"
#include "support/arena_fixture.h"
#include "support/model.h"
#include "support/probe.h"

namespace strata::arena {
namespace {

class MetadataHolesTest : public ArenaFixture {
protected:
    static constexpr size_t kBytes = 512;
    static constexpr size_t kChunks = 500;  // four slices full, nearly

    void SetUp() override {
        ArenaFixture::SetUp();
        InitializeOwn(*own_);
    }
    void Look(size_t times) {
        for (size_t i = 0; i < times; ++i) metadata_->PurgePages();
    }
    // One that notes what it sees, and as many as it takes to find it unchanged.
    void LookUntilQuiet() { Look(1 + kQuietLooks); }
    void* Take(size_t bytes = kBytes) {
        void* const chunk = metadata_->Allocate(bytes);
        EXPECT_NE(chunk, nullptr);
        if (chunk != nullptr) test::FillPattern(chunk, bytes, AddressOf(chunk));
        return chunk;
    }
    void Give(void* chunk, size_t bytes = kBytes) {
        EXPECT_EQ(test::FindPatternBreak(chunk, bytes, AddressOf(chunk)), bytes);
        metadata_->Free(chunk, bytes);
    }
    // Every 100th of kChunks stays.
    std::vector<void*> TakeManyLeaveFew() {
        std::vector<void*> all;
        for (size_t i = 0; i < kChunks; ++i) all.push_back(Take());
        std::vector<void*> few;
        for (size_t i = 0; i < kChunks; ++i) {
            if (i % 100 == 50) {
                few.push_back(all[i]);
            } else {
                Give(all[i]);
            }
        }
        own_->Purge(0, true);
        return few;
    }

    std::unique_ptr<ArenaSet> own_ = std::make_unique<ArenaSet>(memory_, nullptr);
    std::unique_ptr<Metadata> metadata_ = std::make_unique<Metadata>(*own_);
};

TEST_F(MetadataHolesTest, PagesWithoutAChunkInUseGoBack) {
    const std::vector<void*> few = TakeManyLeaveFew();
    const size_t before = own_->slice_committed();
    EXPECT_GE(before, 3 * kSliceSize);
    Look(kQuietLooks);
    EXPECT_EQ(own_->slice_committed(), before) << "not yet";
    Look(1);
    // Each of the few keeps at most two pages, and each slice its header's.
    EXPECT_LE(own_->slice_committed(),
              (2 * few.size() + kChunks * kBytes / kSliceSize + 1) * kPageSize);
    const size_t purged = own_->slice_committed();
    Look(10);
    EXPECT_EQ(own_->slice_committed(), purged);
    for (void* chunk : few) Give(chunk);
    metadata_->Purge();
    own_->Purge(0, true);
    EXPECT_EQ(own_->slice_committed(), 0u);
}

TEST_F(MetadataHolesTest, TheyComeBackWithTheirChunks) {
    std::vector<void*> chunks = TakeManyLeaveFew();
    const size_t before = own_->slice_committed();
    LookUntilQuiet();
    ASSERT_LT(own_->slice_committed(), before / 2);
    test::IntervalMap model;
    for (void* chunk : chunks) ASSERT_TRUE(model.Add(chunk, kBytes, 0));
    while (chunks.size() < kChunks) {
        chunks.push_back(Take());
        ASSERT_TRUE(model.Add(chunks.back(), kBytes, 0)) << "in use already";
    }
    EXPECT_LE(own_->slice_committed(), before + kSliceSize) << "no others instead";
    for (void* chunk : chunks) Give(chunk);
}

TEST_F(MetadataHolesTest, MorePagesGoLater) {
    std::vector<void*> chunks;
    for (size_t i = 0; i < kChunks; ++i) chunks.push_back(Take());
    size_t last = own_->slice_committed();
    for (const size_t step : {10, 30, 100}) {
        for (size_t i = 0; i < kChunks; ++i) {
            if (i % step == 0 || chunks[i] == nullptr) continue;
            Give(chunks[i]);
            chunks[i] = nullptr;
        }
        own_->Purge(0, true);
        LookUntilQuiet();
        EXPECT_LT(own_->slice_committed(), last);
        last = own_->slice_committed();
    }
    EXPECT_LE(last, (2 * kChunks / 100 + kChunks * kBytes / kSliceSize + 1) * kPageSize);
    test::IntervalMap model;
    for (void* chunk : chunks) {
        if (chunk == nullptr) continue;
        ASSERT_TRUE(model.Add(chunk, kBytes, 0));
    }
    for (void*& chunk : chunks) {
        if (chunk != nullptr) continue;
        chunk = Take();
        ASSERT_TRUE(model.Add(chunk, kBytes, 0)) << "in use already";
    }
    for (void* chunk : chunks) Give(chunk);
    metadata_->Purge();
    own_->Purge(0, true);
    EXPECT_EQ(own_->slice_committed(), 0u);
}

// As much is in use as at the last look, but all of the slice has pages.
TEST_F(MetadataHolesTest, PagesGoAgainWhenTheyCameBack) {
    const std::vector<void*> few = TakeManyLeaveFew();
    LookUntilQuiet();
    const size_t purged = own_->slice_committed();
    std::vector<void*> more;
    while (own_->slice_committed() == purged) more.push_back(Take());
    EXPECT_GT(own_->slice_committed(), purged);
    for (void* chunk : more) Give(chunk);
    LookUntilQuiet();
    EXPECT_EQ(own_->slice_committed(), purged);
    for (void* chunk : few) Give(chunk);
}

TEST_F(MetadataHolesTest, NotWhereChunksComeAndGo) {
    std::vector<void*> chunks;  // of one slice
    for (size_t i = 0; i < 100; ++i) chunks.push_back(Take());
    const size_t before = own_->slice_committed();
    while (chunks.size() > 5) {
        Give(chunks.back());
        chunks.pop_back();
        Look(kQuietLooks);
        ASSERT_EQ(own_->slice_committed(), before);
    }
    LookUntilQuiet();
    EXPECT_LT(own_->slice_committed(), before);
    for (void* chunk : chunks) Give(chunk);
}

TEST_F(MetadataHolesTest, ARefusedDecommitChangesNothing) {
    const std::vector<void*> few = TakeManyLeaveFew();
    const size_t before = own_->slice_committed();
    faults_.FailFrom(test::kDecommit, 1);
    LookUntilQuiet();
    EXPECT_EQ(own_->slice_committed(), before);
    faults_.StopFailing();
    for (size_t i = few.size(); i < kChunks; ++i) Take();
    EXPECT_LE(own_->slice_committed(), before + kSliceSize);
}

TEST_F(MetadataHolesTest, ARefusedCommitLeavesWhatHasPages) {
    std::vector<void*> chunks = TakeManyLeaveFew();
    LookUntilQuiet();
    faults_.FailFrom(test::kTakingMemory, 1);
    test::IntervalMap model;
    for (void* chunk : chunks) ASSERT_TRUE(model.Add(chunk, kBytes, 0));
    size_t got = 0;
    while (void* chunk = metadata_->Allocate(kBytes)) {
        ASSERT_TRUE(model.Add(chunk, kBytes, 0));
        test::FillPattern(chunk, kBytes, AddressOf(chunk));
        chunks.push_back(chunk);
        ++got;
    }
    EXPECT_GT(got, 0u) << "beside those that stayed";
    EXPECT_LT(got, kChunks / 2);
    faults_.StopFailing();
    chunks.push_back(Take());
    for (void* chunk : chunks) Give(chunk);
    metadata_->Purge();
    own_->Purge(0, true);
    EXPECT_EQ(own_->slice_committed(), 0u);
}

// The process's other arenas keep a few free slices' pages.
TEST_F(MetadataHolesTest, NoFreeSliceIsRetained) {
    for (void* chunk : TakeManyLeaveFew()) Give(chunk);
    metadata_->Purge();
    EXPECT_NE(own_->warm_slices(), 0u);
    const uint64_t later = os::Milliseconds() + (kDecayEpochs + 1) * kEpochMilliseconds;
    EXPECT_TRUE(own_->WantsPurge(later));
    own_->Purge(later, false);
    EXPECT_EQ(own_->slice_committed(), 0u);
}

// The last chunk of a slice with holes goes while the system refuses everything; later it can be
// given back.
TEST_F(MetadataHolesTest, AnEmptySliceWithHolesWaitsForTheSystem) {
    const std::vector<void*> few = TakeManyLeaveFew();
    LookUntilQuiet();
    faults_.FailFrom(test::kAnyCall, 1);
    for (void* chunk : few) Give(chunk);
    metadata_->Purge();
    faults_.StopFailing();
    metadata_->Purge();
    own_->Purge(0, true);
    EXPECT_EQ(own_->slice_committed(), 0u);
    EXPECT_NE(Take(), nullptr);
}

TEST_F(MetadataHolesTest, RandomOperationsAgainstAModel) {
    test::Random random(23);
    test::IntervalMap model;
    for (uint64_t step = 0; step < 60'000; ++step) {
        // It grows, it shrinks, it is still.
        const uint64_t phase = step / 4'000 % 4;
        const size_t odds = phase == 0 ? 700 : phase == 1 ? 150 : 500;
        if (random.Below(200) == 0) Look(1 + random.Below(kQuietLooks + 2));
        if (model.empty() || random.Below(1000) < odds) {
            const size_t bytes = 1 + random.Skewed(Metadata::kMaxChunk - 1);
            void* const chunk = metadata_->Allocate(bytes);
            ASSERT_NE(chunk, nullptr);
            ASSERT_TRUE(model.Add(chunk, bytes, step));
            test::FillPattern(chunk, bytes, step);
        } else {
            const test::ModelBlock block = model.Pick(random);
            ASSERT_EQ(test::FindPatternBreak(block.address, block.requested, block.seed),
                      block.requested);
            model.Remove(block.address);
            metadata_->Free(block.address, block.requested);
        }
    }
    while (!model.empty()) {
        const test::ModelBlock block = model.Pick(random);
        ASSERT_EQ(test::FindPatternBreak(block.address, block.requested, block.seed),
                  block.requested);
        model.Remove(block.address);
        metadata_->Free(block.address, block.requested);
    }
    metadata_->Purge();
    own_->Purge(0, true);
    EXPECT_EQ(own_->slice_committed(), 0u);
    EXPECT_EQ(own_->warm_slices(), 0u);
}

}  // namespace
}  // namespace strata::arena
