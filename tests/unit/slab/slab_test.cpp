#include "slab/slab.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iterator>
#include <vector>

#include "support/model.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kFreeZero = static_cast<uint8_t>(State::kFreeZero);
constexpr auto kLive = static_cast<uint8_t>(State::kLive);
constexpr auto kFreeDirty = static_cast<uint8_t>(State::kFreeDirty);

class SlabTest : public test::ProcessFixture {
protected:
    SlabRequest RequestFor(SizeClass size_class) {
        return {.size_class = size_class, .owner = kOwner, .heap = kHeap, .bin_offset = kBinOffset};
    }
    Slab* Create(SizeClass size_class) {
        Slab* const slab = CreateSlab(RequestFor(size_class));
        EXPECT_NE(slab, nullptr);
        return slab;
    }
    static std::vector<FreeBlock> TakeAll(Slab& slab) {
        std::vector<FreeBlock> all;
        FreeBlock some[50];
        while (const uint32_t count = TakeBlocks(slab, some, 50, false)) {
            // Each batch comes highest address first.
            all.insert(all.end(), std::make_reverse_iterator(some + count),
                       std::make_reverse_iterator(some));
        }
        return all;
    }

    static constexpr arena::Owner kOwner = 42;
    static constexpr uint16_t kBinOffset = 0x77;
    // Nobody here asks whose a slab is.
    static constexpr store::Heap* kHeap = nullptr;
};

TEST_F(SlabTest, EveryClassGivesAllItsBlocksInOrder) {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        SCOPED_TRACE(i);
        const auto size_class = static_cast<SizeClass>(i);
        const ClassInfo& info = InfoOf(size_class);
        Slab* const slab = Create(size_class);
        EXPECT_TRUE(slab->IsEmpty());
        EXPECT_TRUE(IsConsistent(*slab));
        const std::vector<FreeBlock> blocks = TakeAll(*slab);
        ASSERT_EQ(blocks.size(), info.blocks);
        EXPECT_TRUE(slab->IsFull());
        EXPECT_FALSE(slab->IsEmpty());
        size_t wrong = 0;
        for (uint32_t b = 0; b < info.blocks; ++b) {
            char* const block = static_cast<char*>(blocks[b].block);
            wrong += block != slab->base + size_t{b} * info.spacing;
            wrong += blocks[b].state != slab->states + b;
            wrong += LoadState(blocks[b].state) != kFreeZero;
            wrong += slab->IndexOf(block + info.spacing - 1) != b;
            wrong += test::FindNonZero(block, 0, info.usable) != info.usable;
            if (info.usable != 0) block[0] = block[info.usable - 1] = 1;
        }
        EXPECT_EQ(wrong, 0u);
        EXPECT_TRUE(IsConsistent(*slab));
        DestroySlab(slab);
        Purge();
    }
}

TEST_F(SlabTest, EntriesAndOwnersOfItsSlices) {
    const SizeClass size_class = ClassOf(40'000);
    Slab* const slab = Create(size_class);
    ASSERT_GT(slab->slices, 1);
    EXPECT_EQ(slab->heap, kHeap);
    for (size_t slice = 0; slice < slab->slices; ++slice) {
        const char* const at = slab->base + slice * kSliceSize;
        const arena::SliceEntry& entry = *EntryOf(at);
        EXPECT_EQ(entry.kind.load(kRelaxed), arena::SliceKind::kSlab);
        EXPECT_EQ(entry.record.load(kRelaxed), slab);
        EXPECT_EQ(entry.states.load(kRelaxed), slab->states);
        EXPECT_EQ(entry.bin_offset.load(kRelaxed), kBinOffset);
        EXPECT_EQ(arena::g_arenas.OwnerOf(AddressOf(at)), kOwner);
    }
    char* const base = slab->base;
    const size_t bytes = slab->size();
    DestroySlab(slab);
    for (size_t offset = 0; offset < bytes; offset += kSliceSize) {
        EXPECT_EQ(KindOf(base + offset), arena::SliceKind::kNone);
        EXPECT_EQ(arena::g_arenas.OwnerOf(AddressOf(base + offset)), arena::kNobody);
    }
}

TEST_F(SlabTest, TheLowestFreeBlocksComeFirst) {
    Slab* const slab = Create(ClassOf(48));
    FreeBlock blocks[200];
    ASSERT_EQ(TakeBlocks(*slab, blocks, 100, false), 100u);
    for (const uint32_t index : {90u, 3u, 64u, 63u}) PutBlock(*slab, index);
    EXPECT_TRUE(IsConsistent(*slab));
    ASSERT_EQ(TakeBlocks(*slab, blocks, 3, false), 3u);
    EXPECT_EQ(slab->IndexOf(blocks[0].block), 64u);
    EXPECT_EQ(slab->IndexOf(blocks[1].block), 63u);
    EXPECT_EQ(slab->IndexOf(blocks[2].block), 3u);
    ASSERT_EQ(TakeBlocks(*slab, blocks, 2, false), 2u);
    EXPECT_EQ(slab->IndexOf(blocks[1].block), 90u);
    EXPECT_EQ(slab->IndexOf(blocks[0].block), 100u);
    DestroySlab(slab);
}

TEST_F(SlabTest, CommitsInDoublingSteps) {
    Slab* const slab = Create(ClassOf(64));
    EXPECT_EQ(Committed(), kFirstSlabCommit);
    EXPECT_EQ(slab->limit, kFirstSlabCommit / 64);
    FreeBlock block;
    size_t taken = 0;
    size_t last = Committed();
    while (TakeBlocks(*slab, &block, 1, false) == 1) {
        ++taken;
        EXPECT_LE(taken * 64, Committed());
        if (Committed() == last) continue;
        EXPECT_EQ(Committed(), 2 * last);
        EXPECT_EQ((taken - 1) * 64, last) << "before it was needed";
        last = Committed();
    }
    EXPECT_EQ(last, kSliceSize);
    DestroySlab(slab);
}

TEST_F(SlabTest, GrowsFasterWhenTold) {
    SlabRequest request = RequestFor(ClassOf(64));
    request.grow_fast = true;
    Slab* const slab = CreateSlab(request);
    ASSERT_NE(slab, nullptr);
    EXPECT_EQ(Committed(), kGrownSlabCommit);
    DestroySlab(slab);
}

TEST_F(SlabTest, TheTailOfASlabIsNeverCommitted) {
    for (size_t i = 1; i < kSizeClasses; ++i) {
        const ClassInfo& info = kClassTable[i];
        Slab* const slab = Create(static_cast<SizeClass>(i));
        TakeAll(*slab);
        EXPECT_EQ(Committed(), RoundUp(size_t{info.blocks} * info.spacing, kPageSize)) << i;
        DestroySlab(slab);
        Purge();
    }
}

TEST_F(SlabTest, UsedSlicesMakeDirtyBlocks) {
    const SizeClass size_class = ClassOf(256);
    Slab* slab = Create(size_class);
    char* const base = slab->base;
    FreeBlock block;
    ASSERT_EQ(TakeBlocks(*slab, &block, 1, false), 1u);
    std::memset(block.block, 0xee, 256);
    DestroySlab(slab);

    slab = Create(size_class);
    ASSERT_EQ(slab->base, base);
    ASSERT_EQ(TakeBlocks(*slab, &block, 1, false), 1u);
    EXPECT_EQ(LoadState(block.state), kFreeDirty) << "the caller would take it for zero";
    DestroySlab(slab);
    Purge();

    slab = Create(size_class);
    ASSERT_EQ(TakeBlocks(*slab, &block, 1, false), 1u);
    EXPECT_EQ(LoadState(block.state), kFreeZero);
    EXPECT_EQ(test::FindNonZero(block.block, 0, 256), 256u);
    DestroySlab(slab);
}

// The pages that a slice still has are used at once, without a call.
TEST_F(SlabTest, WarmPagesNeedNoCommit) {
    Slab* slab = Create(ClassOf(64));
    TakeAll(*slab);
    DestroySlab(slab);
    test::FaultInjector faults(arena::g_memory);
    slab = Create(ClassOf(64));
    EXPECT_EQ(slab->limit, slab->blocks);
    EXPECT_EQ(faults.Calls(test::kCommit), 0u);
    DestroySlab(slab);
}

// ---- failures -----------------------------------------------------------------------------------

TEST_F(SlabTest, CreateSurvivesEveryFailure) {
    for (const size_t size : {size_t{16}, size_t{5000}, kMaxSlabBlock}) {
        Purge();
        test::FaultInjector faults(arena::g_memory);
        Slab* slab = nullptr;
        test::FailEachInTurn(
            faults, test::kTakingMemory, true,
            [&](size_t) { slab = CreateSlab(RequestFor(ClassOf(size))); },
            [&](size_t) {
                if (slab != nullptr) return;
                EXPECT_EQ(arena::g_arenas.NextOwned(0, kOwner), nullptr) << "slices were lost";
            });
        ASSERT_NE(slab, nullptr);
        EXPECT_EQ(TakeAll(*slab).size(), slab->blocks);
        DestroySlab(slab);
    }
}

TEST_F(SlabTest, AFailedCommitGivesNoBlocksAndGoesOnLater) {
    Slab* const slab = Create(ClassOf(1024));
    FreeBlock blocks[64];
    const uint32_t first = TakeBlocks(*slab, blocks, 64, false);
    EXPECT_EQ(first, kFirstSlabCommit / 1024);
    {
        test::FaultInjector faults(arena::g_memory);
        faults.FailFrom(test::kCommit, 1);
        EXPECT_EQ(TakeBlocks(*slab, blocks, 64, false), 0u);
        EXPECT_FALSE(slab->IsFull());
        EXPECT_TRUE(IsConsistent(*slab));
        // Less may be had when the usual step is not: the page of the next block.
        faults.FailNth(test::kCommit, 1);
        EXPECT_EQ(TakeBlocks(*slab, blocks, 64, true), 4u);
        EXPECT_EQ(Committed(), kFirstSlabCommit + kPageSize);
    }
    EXPECT_GT(TakeBlocks(*slab, blocks, 64, false), 0u);
    EXPECT_TRUE(IsConsistent(*slab));
    DestroySlab(slab);
}

// ---- the check ----------------------------------------------------------------------------------

TEST_F(SlabTest, IsConsistentSeesEachContradiction) {
    Slab* const slab = Create(ClassOf(512));
    FreeBlock block;
    ASSERT_EQ(TakeBlocks(*slab, &block, 1, false), 1u);
    char* const end = static_cast<char*>(block.block) + 512;
    EXPECT_TRUE(IsConsistent(*slab));
    StoreLive(block.state, end, 300);
    EXPECT_TRUE(IsConsistent(*slab));

    const auto broken = [&](auto& field, auto value) {
        const auto saved = field;
        field = value;
        const bool seen = !IsConsistent(*slab);
        field = saved;
        return seen && IsConsistent(*slab);
    };
    EXPECT_TRUE(broken(slab->free, slab->free - 1));
    EXPECT_TRUE(broken(slab->bits[0], slab->bits[0] | 1)) << "a live block in the bitmap";
    EXPECT_TRUE(broken(slab->states[1], kLive)) << "a block in the bitmap that is live";
    EXPECT_TRUE(broken(slab->states[slab->limit], kLive)) << "a live block without pages";
    EXPECT_TRUE(broken(slab->states[slab->blocks], kLive)) << "the byte behind the last";
    EXPECT_TRUE(broken(slab->limit, slab->blocks + 1));
    uint32_t& slack = *reinterpret_cast<uint32_t*>(end - kFarSlackBytes);
    EXPECT_TRUE(broken(slack, 513u)) << "more slack than block";
    EXPECT_FALSE(broken(slack, 512u));
    DestroySlab(slab);
}

TEST(SlabRecord, FitsInAChunkOfMetadata) {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const size_t bytes = SlabRecordBytes(static_cast<SizeClass>(i));
        EXPECT_LE(bytes, arena::Metadata::kMaxChunk);
        // A state byte for each block and one more, a bit for each block.
        EXPECT_GE(bytes, sizeof(Slab) - 8 + kClassTable[i].blocks + 1 + kClassTable[i].blocks / 8);
    }
}

}  // namespace
}  // namespace strata::slab
