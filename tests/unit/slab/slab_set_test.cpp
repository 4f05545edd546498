#include "slab/slab_set.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "support/model.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

constexpr arena::Owner kOwner = 43;

class SlabSetTest : public test::ProcessFixture {
protected:
    void TearDown() override {
        set_.DestroyAll();
        EXPECT_TRUE(set_.IsEmpty());
        EXPECT_EQ(arena::g_arenas.NextOwned(0, kOwner), nullptr) << "a slab was lost";
        ProcessFixture::TearDown();
    }

    // `count` blocks, one Take each, so that a new slab is made when it must be.
    std::vector<void*> Take(uint32_t count) {
        std::vector<void*> blocks;
        for (uint32_t i = 0; i < count; ++i) {
            FreeBlock block;
            if (set_.Take(request_, &block, 1) != 1) break;
            blocks.push_back(block.block);
        }
        return blocks;
    }
    Slab& SlabOf(const void* block) {
        return *static_cast<Slab*>(EntryOf(block)->record.load(std::memory_order_relaxed));
    }
    void Put(void* block) { set_.Put(SlabOf(block), block); }
    size_t Slabs() const {
        size_t count = 0;
        set_.ForEach([&](const Slab&) { ++count; });
        return count;
    }
    uint32_t PerSlab() const { return InfoOf(request_.size_class).blocks; }

    SlabSet set_;
    SlabRequest request_{.size_class = ClassOf(4096), .owner = kOwner};
};

TEST_F(SlabSetTest, StartsEmpty) {
    EXPECT_TRUE(set_.IsEmpty());
    EXPECT_EQ(Slabs(), 0u);
}

TEST_F(SlabSetTest, MakesSlabsAsNeeded) {
    const uint32_t per_slab = PerSlab();
    const std::vector<void*> blocks = Take(3 * per_slab + 1);
    ASSERT_EQ(blocks.size(), 3 * per_slab + 1);
    EXPECT_EQ(Slabs(), 4u);
    EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(), blocks.size());
    set_.ForEach([](const Slab& slab) { EXPECT_TRUE(IsConsistent(slab)); });
}

TEST_F(SlabSetTest, WhatItGivesUpMayAllBeIdle) {
    arena::g_arenas.Purge(0, true);
    // 64 MiB: more than is in use in any other test of this kind.
    ASSERT_EQ(Take(kArenaSize / 4096).size(), kArenaSize / 4096);
    set_.DestroyAll();
    ASSERT_GT(arena::g_arenas.idle(), kArenaSize / 2);
    EXPECT_EQ(arena::g_arenas.Excess(0), 0u);
    arena::g_arenas.Purge(0, true);
}

TEST_F(SlabSetTest, ABatchNeverNeedsANewSlabForItsRest) {
    FreeBlock blocks[200];
    const uint32_t per_slab = PerSlab();
    ASSERT_LT(per_slab, 200u);
    EXPECT_EQ(set_.Take(request_, blocks, 200), per_slab) << "all of one slab, and no second";
    EXPECT_EQ(Slabs(), 1u);
    EXPECT_EQ(set_.Take(request_, blocks, 5), 5u);
    EXPECT_EQ(Slabs(), 2u);
    EXPECT_EQ(set_.Take(request_, blocks, 200), per_slab - 5);
    EXPECT_EQ(Slabs(), 2u);
    EXPECT_EQ(set_.Take(request_, blocks, 0), 0u);
    EXPECT_EQ(Slabs(), 2u);
}

TEST_F(SlabSetTest, ABatchComesFromSeveralSlabs) {
    std::vector<void*> blocks = Take(3 * PerSlab());
    for (uint32_t slab = 0; slab < 3; ++slab) {
        Put(blocks[slab * PerSlab()]);
        Put(blocks[slab * PerSlab() + 1]);
    }
    FreeBlock batch[10];
    EXPECT_EQ(set_.Take(request_, batch, 10), 6u);
    std::set<Slab*> slabs;
    for (int i = 0; i < 6; ++i) slabs.insert(&SlabOf(batch[i].block));
    EXPECT_EQ(slabs.size(), 3u);
    EXPECT_EQ(Slabs(), 3u);
}

TEST_F(SlabSetTest, AnEmptySlabEndsAtOnce) {
    std::vector<void*> blocks = Take(2 * PerSlab());
    void* const first = blocks[0];
    for (uint32_t i = 0; i < PerSlab(); ++i) Put(blocks[i]);
    EXPECT_EQ(Slabs(), 1u);
    EXPECT_EQ(KindOf(first), arena::SliceKind::kNone);
    for (uint32_t i = PerSlab(); i < 2 * PerSlab(); ++i) Put(blocks[i]);
    EXPECT_TRUE(set_.IsEmpty());
}

TEST_F(SlabSetTest, BlocksAreTakenFromTheFullestSlab) {
    std::vector<void*> blocks = Take(2 * PerSlab());
    Slab& sparse = SlabOf(blocks[0]);
    Slab& full = SlabOf(blocks[PerSlab()]);
    ASSERT_NE(&sparse, &full);
    // The first drains to a few, the second loses a few.
    for (uint32_t i = 0; i < PerSlab() - 2; ++i) Put(blocks[i]);
    for (uint32_t i = 0; i < 3; ++i) Put(blocks[PerSlab() + i]);
    for (void* block : Take(3)) EXPECT_EQ(&SlabOf(block), &full);
    EXPECT_TRUE(full.IsFull());
    EXPECT_EQ(&SlabOf(Take(1)[0]), &sparse);
}

TEST_F(SlabSetTest, ASlabThatDrainsGoesBehind) {
    std::vector<void*> blocks = Take(2 * PerSlab());
    Slab& first = SlabOf(blocks[0]);
    Slab& second = SlabOf(blocks[PerSlab()]);
    Put(blocks[PerSlab()]);
    Put(blocks[0]);  // now the front
    EXPECT_EQ(&SlabOf(Take(1)[0]), &first);
    Put(blocks[0]);
    for (uint32_t i = 1; i < PerSlab() / 2; ++i) Put(blocks[i]);  // half of it: to the back
    EXPECT_EQ(&SlabOf(Take(1)[0]), &second);
}

TEST_F(SlabSetTest, DestroyAllEndsLiveBlocksToo) {
    std::vector<void*> blocks = Take(2 * PerSlab() + 3);
    StoreState(SlabOf(blocks[0]).states, 2);
    set_.DestroyAll();
    EXPECT_TRUE(set_.IsEmpty());
    for (void* block : blocks) EXPECT_EQ(KindOf(block), arena::SliceKind::kNone);
}

TEST_F(SlabSetTest, SurvivesEveryFailure) {
    test::FaultInjector faults(arena::g_memory);
    uint32_t taken = 0;
    FreeBlock blocks[3];
    test::FailEachInTurn(faults, test::kTakingMemory, true, [&](size_t) {
        taken = set_.Take(request_, blocks, 3);
        if (taken == 0) {
            EXPECT_TRUE(set_.IsEmpty());
        }
    });
    EXPECT_GT(taken, 0u);
}

// The front slab cannot grow: the free blocks of the others serve.
TEST_F(SlabSetTest, WithoutMemoryEveryFreeBlockCanStillBeHad) {
    std::vector<void*> blocks = Take(2 * PerSlab());
    Put(blocks[0]);
    const std::vector<void*> young =
        Take(2);  // the second of them in a new slab, with few pages yet
    ASSERT_EQ(young.size(), 2u);
    ASSERT_EQ(Slabs(), 3u);
    Put(blocks[3]);
    Put(blocks[PerSlab() + 3]);
    const uint32_t left = SlabOf(young[1]).free;
    test::FaultInjector faults(arena::g_memory);
    faults.FailFrom(test::kTakingMemory, 1);
    EXPECT_EQ(Take(100).size(), left + 2);
    EXPECT_EQ(Take(1).size(), 0u);
    faults.StopFailing();
    EXPECT_EQ(Take(1).size(), 1u);
    set_.ForEach([](const Slab& slab) { EXPECT_TRUE(IsConsistent(slab)); });
}

TEST_F(SlabSetTest, RandomOperationsAgainstAModel) {
    for (const size_t size : {size_t{0}, size_t{16}, size_t{200}, size_t{3000}, size_t{20'000}}) {
        SCOPED_TRACE(size);
        test::Random random(size);
        test::IntervalMap model;
        request_.size_class = ClassOf(size);
        const ClassInfo& info = InfoOf(request_.size_class);
        const size_t most = 6 * info.blocks < 3000 ? 6 * info.blocks : 3000;
        bool filling = true;
        for (uint64_t step = 0; step < 6000; ++step) {
            if (model.size() >= most) filling = false;
            if (model.empty()) filling = true;
            if (random.OneIn(filling ? 3 : 10)) {
                FreeBlock batch[31];
                const uint32_t want = 1 + static_cast<uint32_t>(random.Below(31));
                const uint32_t taken = set_.Take(request_, batch, want);
                ASSERT_GT(taken, 0u);
                ASSERT_LE(taken, want);
                for (uint32_t i = 0; i < taken; ++i) {
                    ASSERT_TRUE(model.Add(batch[i].block, info.spacing, step + i));
                    ASSERT_EQ(&SlabOf(batch[i].block)
                                   .states[SlabOf(batch[i].block).IndexOf(batch[i].block)],
                              batch[i].state);
                    StoreState(batch[i].state, 2);
                    test::FillPattern(batch[i].block, info.usable < 64 ? info.usable : 64,
                                      step + i);
                }
            } else if (!model.empty()) {
                const test::ModelBlock block = model.Pick(random);
                const size_t filled = info.usable < 64 ? info.usable : 64;
                ASSERT_EQ(test::FindPatternBreak(block.address, filled, block.seed), filled);
                Slab& slab = SlabOf(block.address);
                StoreState(slab.states + slab.IndexOf(block.address), 1);
                Put(block.address);
                model.Remove(block.address);
            }
            if (random.OneIn(500)) {
                set_.ForEach([](const Slab& slab) { ASSERT_TRUE(IsConsistent(slab)); });
            }
        }
        while (!model.empty()) {
            void* const block = model.blocks().back().address;
            Slab& slab = SlabOf(block);
            StoreState(slab.states + slab.IndexOf(block), 1);
            Put(block);
            model.Remove(block);
        }
        EXPECT_TRUE(set_.IsEmpty());
    }
}

}  // namespace
}  // namespace strata::slab
