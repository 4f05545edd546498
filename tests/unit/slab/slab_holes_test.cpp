// Pages in the middle of a slab that are given back while nobody needs their blocks.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "slab/slab.h"
#include "slab/slab_set.h"
#include "support/model.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

class SlabHolesTest : public test::ProcessFixture {
protected:
    static SlabRequest Request(SizeClass size_class) {
        return {.size_class = size_class, .owner = 20, .bin_offset = 0, .grow_fast = true};
    }
    static void Look(Slab& slab, int times = kQuietLooks + 1) {
        for (int i = 0; i < times; ++i) PurgePages(slab);
    }
    static size_t Committed() { return arena::g_arenas.slice_committed(); }

    // A slab with all blocks out, and written to.
    std::vector<FreeBlock> Fill(Slab& slab) {
        std::vector<FreeBlock> blocks(slab.blocks);
        uint32_t taken = 0;
        while (const uint32_t got =
                   TakeBlocks(slab, blocks.data() + taken, slab.blocks - taken, true)) {
            taken += got;
        }
        EXPECT_EQ(taken, slab.blocks);
        for (const FreeBlock& block : blocks) {
            std::memset(block.block, 0xee, slab.usable());
            StoreState(block.state, static_cast<uint8_t>(State::kLive));
        }
        return blocks;
    }
    static void Put(Slab& slab, const FreeBlock& block) {
        StoreState(block.state, static_cast<uint8_t>(State::kFreeDirty));
        PutBlock(slab, slab.IndexOf(block.block));
    }
};

TEST_F(SlabHolesTest, FreePagesGoAndComeBack) {
    for (const size_t bytes : {16, 48, 272, 1024, 3072, 9216, 65536}) {
        Slab& slab = *CreateSlab(Request(ClassOf(bytes)));
        const std::vector<FreeBlock> blocks = Fill(slab);
        const size_t before = Committed();
        const size_t all = slab.committed();
        // One block stays, in the middle.
        const uint32_t kept = slab.blocks / 2;
        for (const FreeBlock& block : blocks) {
            if (slab.IndexOf(block.block) != kept) Put(slab, block);
        }
        PurgePages(slab);
        EXPECT_EQ(slab.absent, 0u) << "it was in use just now";
        Look(slab);
        EXPECT_GT(slab.absent, 0u) << bytes;
        EXPECT_EQ(all - slab.committed(), before - Committed());
        EXPECT_LE(slab.committed(), 4 * kPageSize + RoundUp(slab.spacing(), kPageSize) + kPageSize);
        EXPECT_FALSE(slab.IsEmpty());
        EXPECT_FALSE(slab.IsFull());
        EXPECT_TRUE(IsConsistent(slab));
        EXPECT_EQ(static_cast<unsigned char>(*slab.BlockAt(kept)), 0xee);
        // Blocks that are known to be zero are.
        std::vector<FreeBlock> again(slab.blocks);
        uint32_t taken = 0;
        while (const uint32_t got =
                   TakeBlocks(slab, again.data() + taken, slab.blocks - taken, false)) {
            taken += got;
        }
        EXPECT_EQ(taken, slab.blocks - 1) << bytes;
        EXPECT_EQ(slab.absent, 0u);
        EXPECT_EQ(Committed(), before);
        for (uint32_t i = 0; i < taken; ++i) {
            EXPECT_NE(again[i].block, slab.BlockAt(kept));
            const auto* const block = static_cast<const char*>(again[i].block);
            if (LoadState(again[i].state) != static_cast<uint8_t>(State::kFreeZero)) continue;
            for (size_t at = 0; at < slab.usable(); ++at) ASSERT_EQ(block[at], 0) << bytes;
        }
        EXPECT_TRUE(slab.IsFull());
        DestroySlab(&slab);
    }
}

// First every fourth block stays, then every sixteenth, then one: of blocks smaller than a page,
// and larger.
TEST_F(SlabHolesTest, MoreFreePagesGoLater) {
    for (const size_t bytes : {272, 1024, 3072, 9216}) {
        Slab& slab = *CreateSlab(Request(ClassOf(bytes)));
        const std::vector<FreeBlock> blocks = Fill(slab);
        const size_t all = Committed();
        std::vector<bool> live(slab.blocks, true);
        size_t last = slab.committed();
        for (const uint32_t step : {uint32_t{4}, uint32_t{16}, slab.blocks}) {
            for (const FreeBlock& block : blocks) {
                const uint32_t index = slab.IndexOf(block.block);
                if (live[index] && index % step != 1) {
                    Put(slab, block);
                    live[index] = false;
                }
            }
            Look(slab);
            EXPECT_LE(slab.committed(), last);
            EXPECT_EQ(Committed(), all - (slab.size() - slab.committed()));
            EXPECT_TRUE(IsConsistent(slab));
            for (uint32_t i = 0; i < slab.blocks; ++i) {
                if (!live[i]) continue;
                ASSERT_EQ(static_cast<unsigned char>(*slab.BlockAt(i)), 0xee);
            }
            last = slab.committed();
        }
        EXPECT_LE(last, RoundUp(slab.spacing(), kPageSize) + 2 * kPageSize) << bytes;
        std::vector<FreeBlock> again(slab.blocks);
        uint32_t taken = 0;
        while (const uint32_t got =
                   TakeBlocks(slab, again.data() + taken, slab.blocks - taken, false)) {
            taken += got;
        }
        EXPECT_EQ(taken, slab.blocks - 1);
        EXPECT_EQ(Committed(), all);
        for (uint32_t i = 0; i < taken; ++i) {
            if (LoadState(again[i].state) != static_cast<uint8_t>(State::kFreeZero)) continue;
            ASSERT_EQ(test::FindNonZero(again[i].block, 0, slab.usable()), slab.usable());
        }
        DestroySlab(&slab);
    }
}

// As much is free as at the last look, but all of it has pages.
TEST_F(SlabHolesTest, GoAgainWhenTheyWereClosed) {
    Slab& slab = *CreateSlab(Request(ClassOf(1024)));
    const std::vector<FreeBlock> blocks = Fill(slab);
    for (size_t i = 0; i < blocks.size(); ++i) {
        if (slab.IndexOf(blocks[i].block) % 8 != 0) Put(slab, blocks[i]);
    }
    Look(slab);
    const uint32_t absent = slab.absent;
    const uint32_t seen = slab.free;
    ASSERT_GT(absent, seen);
    std::vector<FreeBlock> out(seen + 1);
    ASSERT_EQ(TakeBlocks(slab, out.data(), seen, false), seen);
    ASSERT_EQ(TakeBlocks(slab, out.data() + seen, 1, false), 1u);
    ASSERT_EQ(slab.absent, 0u);
    std::vector<FreeBlock> more(slab.free - seen);
    ASSERT_EQ(TakeBlocks(slab, more.data(), slab.free - seen, false), more.size());
    ASSERT_EQ(slab.free, slab.seen_free);
    const size_t before = Committed();
    Look(slab);
    EXPECT_LT(Committed(), before);
    DestroySlab(&slab);
}

TEST_F(SlabHolesTest, ASlabThatIsUsedHasNone) {
    Slab& slab = *CreateSlab(Request(ClassOf(1024)));
    const std::vector<FreeBlock> blocks = Fill(slab);
    for (size_t i = 0; i + 1 < blocks.size(); ++i) {
        Put(slab, blocks[i]);
        PurgePages(slab);
    }
    EXPECT_EQ(slab.absent, 0u);
    DestroySlab(&slab);
}

TEST_F(SlabHolesTest, ItsSlicesAreGoodForOthersAfterwards) {
    for (int i = 0; i < 3; ++i) {
        Slab& slab = *CreateSlab(Request(ClassOf(1024)));
        const std::vector<FreeBlock> blocks = Fill(slab);
        for (size_t j = 0; j + 1 < blocks.size(); ++j) Put(slab, blocks[j]);
        Look(slab);
        ASSERT_GT(slab.absent, 0u);
        const size_t rest = Committed() - slab.committed();
        DestroySlab(&slab);
        EXPECT_EQ(Committed(), rest);
        Slab& next = *CreateSlab(Request(ClassOf(512)));
        Fill(next);
        DestroySlab(&next);
    }
}

TEST_F(SlabHolesTest, WhenTheSystemRefuses) {
    Slab& slab = *CreateSlab(Request(ClassOf(1024)));
    const std::vector<FreeBlock> blocks = Fill(slab);
    for (size_t i = 0; i + 1 < blocks.size(); ++i) Put(slab, blocks[i]);
    test::FaultInjector faults(arena::g_memory);
    faults.FailFrom(test::kDecommit, 1);
    Look(slab);
    EXPECT_EQ(slab.absent, 0u);
    faults.StopFailing();
    FreeBlock one;
    ASSERT_EQ(TakeBlocks(slab, &one, 1, false), 1u);
    Look(slab);
    ASSERT_GT(slab.absent, 0u);
    faults.FailFrom(test::kCommit, 1);
    while (TakeBlocks(slab, &one, 1, false) == 1) {
        StoreState(one.state, static_cast<uint8_t>(State::kLive));
    }
    EXPECT_GT(slab.absent, 0u);
    EXPECT_FALSE(slab.IsFull()) << "it may have more later";
    EXPECT_TRUE(IsConsistent(slab));
    faults.StopFailing();
    EXPECT_EQ(TakeBlocks(slab, &one, 1, false), 1u);
    EXPECT_EQ(slab.absent, 0u);
    // And at the end: one of the two ways works, or the slices stay unused.
    Slab& other = *CreateSlab(Request(ClassOf(1024)));
    const std::vector<FreeBlock> more = Fill(other);
    for (size_t i = 0; i + 1 < more.size(); ++i) Put(other, more[i]);
    Look(other);
    ASSERT_GT(other.absent, 0u);
    char* const base = other.base;
    faults.FailFrom(test::kDecommit | test::kCommit, 1);
    DestroySlab(&other);
    faults.StopFailing();
    EXPECT_EQ(KindOf(base), arena::SliceKind::kNone);
    Slab& next = *CreateSlab(Request(ClassOf(1024)));
    EXPECT_NE(next.base, base);
    DestroySlab(&next);
    DestroySlab(&slab);
}

TEST_F(SlabHolesTest, ASetLooksAtTheSparseOnes) {
    SlabSet set;
    const SlabRequest request = Request(ClassOf(1024));
    std::vector<FreeBlock> blocks(64 * 3);
    for (FreeBlock& block : blocks) ASSERT_EQ(set.Take(request, &block, 1), 1u);
    const size_t before = Committed();
    const auto* const first =
        static_cast<Slab*>(arena::g_slice_map.Find(AddressOf(blocks[0].block))->record.load());
    for (size_t i = 1; i < 60; ++i) {
        set.Put(*const_cast<Slab*>(first), blocks[i].block);
    }
    for (int i = 0; i <= kQuietLooks + 1; ++i) set.PurgeSparsePages();
    EXPECT_LE(Committed(), before - 8 * kPageSize);
    set.DestroyAll();
}

}  // namespace
}  // namespace strata::slab
