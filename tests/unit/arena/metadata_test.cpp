#include "arena/metadata.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "base/bits.h"
#include "support/arena_fixture.h"
#include "support/model.h"
#include "support/probe.h"

namespace strata::arena {
namespace {

class MetadataTest : public ArenaFixture {
protected:
    void SetUp() override {
        ArenaFixture::SetUp();
        InitializeOwn(*own_);
    }

    // As in the process: arenas that the slice map does not know.
    std::unique_ptr<ArenaSet> own_ = std::make_unique<ArenaSet>(memory_, nullptr);
    std::unique_ptr<Metadata> metadata_ = std::make_unique<Metadata>(*own_);
};

TEST_F(MetadataTest, EverySizeIsAlignedAndApart) {
    test::IntervalMap model;
    for (size_t bytes = 1; bytes <= Metadata::kMaxChunk; bytes += bytes < 600 ? 1 : 37) {
        void* const chunk = metadata_->Allocate(bytes);
        ASSERT_NE(chunk, nullptr);
        EXPECT_EQ(AddressOf(chunk) % 64, 0u) << bytes;
        ASSERT_TRUE(model.Add(chunk, bytes, bytes)) << bytes;
        test::FillPattern(chunk, bytes, bytes);
    }
    void* const largest = metadata_->Allocate(Metadata::kMaxChunk);
    ASSERT_TRUE(model.Add(largest, Metadata::kMaxChunk, 0));
    test::FillPattern(largest, Metadata::kMaxChunk, 0);
    for (const test::ModelBlock& block : model.blocks()) {
        EXPECT_EQ(test::FindPatternBreak(block.address, block.requested, block.seed),
                  block.requested);
        metadata_->Free(block.address, block.requested);
    }
}

TEST_F(MetadataTest, AFreedChunkIsTheNextOne) {
    void* const first = metadata_->Allocate(100);
    void* const second = metadata_->Allocate(100);
    EXPECT_NE(first, second);
    metadata_->Free(first, 100);
    EXPECT_EQ(metadata_->Allocate(128), first) << "100 and 128 are of one kind";
    EXPECT_NE(metadata_->Allocate(129), nullptr);
}

TEST_F(MetadataTest, TheEndsOfAnArenaAreNeverUsed) {
    // Enough for a whole arena and some of the next.
    constexpr size_t kChunks = kSlicesPerArena * 8;
    std::vector<void*> chunks;
    for (size_t i = 0; i < kChunks; ++i) {
        chunks.push_back(metadata_->Allocate(Metadata::kMaxChunk));
        ASSERT_NE(chunks.back(), nullptr);
        const size_t slice = AddressOf(chunks.back()) % kArenaSize / kSliceSize;
        ASSERT_NE(slice, 0u);
        ASSERT_NE(slice, kSlicesPerArena - 1);
    }
    EXPECT_EQ(own_->arenas(), 2u);
    const uintptr_t arena = RoundDown(AddressOf(chunks[0]), kArenaSize);
    EXPECT_FALSE(test::CanRead(reinterpret_cast<void*>(arena)));
    EXPECT_FALSE(test::CanRead(reinterpret_cast<void*>(arena + kArenaSize - 1)));
    for (void* chunk : chunks) metadata_->Free(chunk, Metadata::kMaxChunk);
    own_->Purge(0, true);
    EXPECT_LE(own_->slice_committed(), kSliceSize) << "one slice of a kind may stay";
}

TEST_F(MetadataTest, EmptySlicesGoBack) {
    std::vector<void*> chunks;
    for (int i = 0; i < 5000; ++i) chunks.push_back(metadata_->Allocate(512));
    const size_t full = own_->slice_committed();
    EXPECT_GE(full, 5000u * 512);
    for (void* chunk : chunks) metadata_->Free(chunk, 512);
    own_->Purge(0, true);
    EXPECT_LE(own_->slice_committed(), kSliceSize);
    // And come again.
    for (void*& chunk : chunks) {
        chunk = metadata_->Allocate(512);
        ASSERT_NE(chunk, nullptr);
        test::FillPattern(chunk, 512, 1);
    }
    for (void* chunk : chunks) metadata_->Free(chunk, 512);
}

TEST_F(MetadataTest, CommitsInSteps) {
    metadata_->Allocate(64);
    EXPECT_EQ(own_->slice_committed(), kPageSize);
    for (size_t i = 1; i < (kPageSize - 64) / 64; ++i) metadata_->Allocate(64);
    EXPECT_EQ(own_->slice_committed(), kPageSize);
    metadata_->Allocate(64);
    EXPECT_GT(own_->slice_committed(), kPageSize);
    EXPECT_LT(own_->slice_committed(), kSliceSize);
}

TEST_F(MetadataTest, SurvivesEveryFailure) {
    for (const size_t bytes : {size_t{64}, size_t{3000}, Metadata::kMaxChunk}) {
        void* chunk = nullptr;
        test::FailEachInTurn(
            faults_, test::kTakingMemory, true, [&](size_t) { chunk = metadata_->Allocate(bytes); },
            [&](size_t) {
                ASSERT_TRUE(metadata_->lock().TryAcquire()) << "a lock stayed held";
                metadata_->lock().Release();
            });
        ASSERT_NE(chunk, nullptr);
        test::FillPattern(chunk, bytes, 3);
        metadata_->Free(chunk, bytes);
    }
}

// Nothing can be committed: what is there can still be freed and had again.
TEST_F(MetadataTest, LivesOnWhatItHas) {
    std::vector<void*> chunks;
    for (int i = 0; i < 200; ++i) chunks.push_back(metadata_->Allocate(1000));
    faults_.FailFrom(test::kTakingMemory, 1);
    while (void* chunk = metadata_->Allocate(1000)) chunks.push_back(chunk);
    for (void* chunk : chunks) metadata_->Free(chunk, 1000);
    size_t again = 0;
    std::vector<void*> second;
    while (void* chunk = metadata_->Allocate(1000)) {
        second.push_back(chunk);
        ++again;
    }
    EXPECT_GE(again, 200u);
    faults_.StopFailing();
    EXPECT_NE(metadata_->Allocate(1000), nullptr);
}

TEST_F(MetadataTest, RandomOperationsAgainstAModel) {
    test::Random random(11);
    test::IntervalMap model;
    for (uint64_t step = 0; step < 40'000; ++step) {
        if (model.empty() || random.Below(1000) < 520) {
            const size_t bytes = 1 + random.Skewed(Metadata::kMaxChunk - 1);
            void* const chunk = metadata_->Allocate(bytes);
            ASSERT_NE(chunk, nullptr);
            ASSERT_TRUE(model.Add(chunk, bytes, step));
            test::FillPattern(chunk, bytes < 64 ? bytes : 64, step);
        } else {
            const test::ModelBlock block = model.Pick(random);
            const size_t filled = block.requested < 64 ? block.requested : 64;
            ASSERT_EQ(test::FindPatternBreak(block.address, filled, block.seed), filled);
            metadata_->Free(block.address, block.requested);
            model.Remove(block.address);
        }
        if (random.OneIn(1000)) own_->Purge(0, true);
    }
    while (!model.empty()) {
        const test::ModelBlock block = model.blocks().back();
        metadata_->Free(block.address, block.requested);
        model.Remove(block.address);
    }
    own_->Purge(0, true);
    EXPECT_LE(own_->slice_committed(), 24 * kSliceSize);
}

TEST_F(MetadataTest, ThreadsShareIt) {
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            test::Random random(t);
            std::vector<std::pair<void*, size_t>> mine;
            for (int i = 0; i < 5000; ++i) {
                if (mine.size() < 100 && !random.OneIn(3)) {
                    const size_t bytes = 1 + random.Below(700);
                    void* const chunk = metadata_->Allocate(bytes);
                    ASSERT_NE(chunk, nullptr);
                    test::FillPattern(chunk, bytes, t);
                    mine.emplace_back(chunk, bytes);
                } else if (!mine.empty()) {
                    const auto [chunk, bytes] = mine.back();
                    mine.pop_back();
                    ASSERT_EQ(test::FindPatternBreak(chunk, bytes, t), bytes);
                    metadata_->Free(chunk, bytes);
                }
            }
            for (const auto& [chunk, bytes] : mine) metadata_->Free(chunk, bytes);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace strata::arena
