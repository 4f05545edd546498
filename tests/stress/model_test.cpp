// Random operations over several heaps, each checked against a model: no block overlaps another,
// each is aligned and of exactly the size asked for, keeps its bytes, and is zero where that was
// promised. The seeds are fixed; a failure prints the one it came from.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "effort.h"
#include "support/model.h"

#include <strata/strata.h>

namespace {

using strata::test::FillPattern;
using strata::test::FindNonZero;
using strata::test::FindPatternBreak;
using strata::test::kEffort;
using strata::test::ModelBlock;
using strata::test::Random;

// Bytes of a large block that are checked, from both ends.
constexpr size_t kChecked = 6000;

class Model {
public:
    explicit Model(uint64_t seed) : random_(seed) {
        heaps_.push_back(strata_heap_process());
        for (int i = 0; i < 3; ++i) heaps_.push_back(strata_heap_create());
    }
    ~Model() {
        // After a failure the model is not to be trusted.
        if (!testing::Test::HasFailure()) {
            for (const ModelBlock& block : blocks_.blocks()) strata_free(block.address);
        }
        for (size_t i = 1; i < heaps_.size(); ++i) strata_heap_destroy(heaps_[i]);
    }
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    void Run(size_t steps) {
        for (size_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) Step();
        CheckAll();
    }

private:
    size_t Size() {
        if (random_.OneIn(400)) return 15'000'000 + random_.Below(8'000'000);
        if (random_.OneIn(20)) return random_.Skewed(2'000'000);
        if (random_.OneIn(3)) return random_.Below(70'000);
        return random_.Skewed(3'000);
    }
    size_t Alignment() { return size_t{1} << random_.Below(random_.OneIn(10) ? 21 : 13); }
    strata_heap* AnyHeap() { return heaps_[random_.Below(heaps_.size())]; }
    ModelBlock& Pick() { return blocks_.Pick(random_); }

    void Step() {
        // Grows to some thousand blocks, and drains to nearly none, by turns.
        const bool growing = steps_++ / 4000 % 2 == 0;
        const uint64_t what = random_.Below(100);
        if (blocks_.empty() || what < (growing ? 35u : 15u)) {
            AllocateOne();
        } else if (what < 50) {
            FreeOne();
        } else if (what < 75) {
            ResizeOne();
        } else if (what < 90) {
            CheckOne(Pick());
        } else if (what < 95) {
            ProbeOne();
        } else if (random_.OneIn(100)) {
            ReplaceHeap();
        } else if (random_.OneIn(100)) {
            strata_purge();
        } else if (random_.OneIn(20)) {
            for (strata_heap* heap : heaps_) EXPECT_EQ(strata_heap_validate(heap), 1);
        }
    }

    void AllocateOne() {
        const size_t bytes = Size();
        size_t alignment = 16;
        bool zero = false;
        strata_heap* heap = AnyHeap();
        void* block = nullptr;
        switch (random_.Below(6)) {
            case 0:
                heap = heaps_[0];
                block = strata_malloc(bytes);
                break;
            case 1:
                heap = heaps_[0];
                block = strata_calloc(bytes, 1);
                zero = true;
                break;
            case 2:
                block = strata_heap_malloc(heap, bytes);
                break;
            case 3:
                block = strata_heap_calloc(heap, 1, bytes);
                zero = true;
                break;
            case 4:
                alignment = Alignment();
                block = strata_heap_aligned_alloc(heap, alignment, bytes);
                break;
            default:
                heap = heaps_[0];
                alignment = Alignment();
                block = strata_aligned_alloc(alignment, bytes);
                break;
        }
        ASSERT_NE(block, nullptr) << bytes << " bytes at " << alignment;
        if (zero) {
            ASSERT_EQ(FindNonZero(block, 0, bytes), bytes);
        }
        Note(block, bytes, alignment, heap);
    }

    // Enters a block that was just handed out, and fills it.
    void Note(void* block, size_t bytes, size_t alignment, strata_heap* heap) {
        ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % (alignment < 16 ? 16 : alignment), 0u);
        ASSERT_EQ(strata_requested_size(block), bytes);
        ASSERT_EQ(strata_heap_of(block), heap);
        const size_t usable = strata_usable_size(block);
        ASSERT_GE(usable, bytes);
        const ModelBlock noted{block, bytes, usable, random_.Next()};
        ASSERT_TRUE(blocks_.Add(noted)) << "overlaps a live block: " << block;
        Fill(noted, usable);
    }

    static void Fill(const ModelBlock& block, size_t usable) {
        const size_t bytes = block.requested;
        if (bytes <= 2 * kChecked) {
            FillPattern(block.address, bytes, block.seed);
        } else {
            FillPattern(block.address, 0, kChecked, block.seed);
            FillPattern(block.address, bytes - kChecked, bytes, block.seed);
        }
        // All that is usable may be written; growth has to zero it nevertheless.
        std::memset(static_cast<char*>(block.address) + bytes, 0xE7,
                    std::min(usable - bytes, kChecked));
    }

    static void CheckPattern(const ModelBlock& block, const void* now, size_t bytes) {
        const size_t front = std::min({bytes, block.requested, kChecked});
        ASSERT_EQ(FindPatternBreak(now, front, block.seed), front) << block.requested << " bytes";
        if (bytes < block.requested || block.requested <= kChecked) return;
        const auto* const at = static_cast<const uint8_t*>(now);
        const size_t from = block.requested <= 2 * kChecked ? kChecked : block.requested - kChecked;
        for (size_t i = from; i < block.requested; ++i) {
            ASSERT_EQ(at[i], strata::test::PatternByte(block.seed, i))
                << i << " of " << block.requested;
        }
    }

    static void CheckOne(const ModelBlock& block) {
        ASSERT_EQ(strata_requested_size(block.address), block.requested);
        // The model counts blocks of 0 bytes as 1.
        ASSERT_EQ(std::max<size_t>(strata_usable_size(block.address), 1), block.occupied);
        CheckPattern(block, block.address, block.requested);
    }

    void FreeOne() {
        const ModelBlock block = Pick();
        CheckOne(block);
        ASSERT_TRUE(blocks_.Remove(block.address));
        switch (random_.Below(3)) {
            case 0:
                strata_free(block.address);
                break;
            case 1:
                strata_free_sized(block.address, block.requested);
                break;
            default:
                strata_heap_free(strata_heap_of(block.address), block.address);
                break;
        }
    }

    void ResizeOne() {
        const ModelBlock old = Pick();
        strata_heap* const heap = strata_heap_of(old.address);
        // Often near its old size, where it may stay.
        const size_t bytes =
            random_.OneIn(2) ? Size() : old.requested + random_.Below(2000) - old.requested / 4;
        size_t alignment = 16;
        bool zero = false;
        void* block = nullptr;
        switch (random_.Below(5)) {
            case 0:
                block = strata_realloc(old.address, bytes);
                break;
            case 1:
                block = strata_heap_realloc(heap, old.address, bytes);
                break;
            case 2:
                block = strata_recalloc(old.address, bytes, 1);
                zero = true;
                break;
            case 3:
                alignment = Alignment();
                block = strata_aligned_realloc(old.address, alignment, bytes);
                break;
            default:
                block = strata_expand(old.address, bytes);
                if (block == nullptr) {
                    ASSERT_GT(bytes, old.requested);
                    CheckOne(old);
                    return;
                }
                ASSERT_EQ(block, old.address);
                break;
        }
        ASSERT_NE(block, nullptr);
        CheckPattern(old, block, bytes);
        if (zero && bytes > old.requested) {
            ASSERT_EQ(FindNonZero(block, old.requested, bytes), bytes) << "from " << old.requested;
        }
        ASSERT_TRUE(blocks_.Remove(old.address));
        Note(block, bytes, alignment, heap);
    }

    // An address in or near a block is live exactly when a block of the model starts there.
    void ProbeOne() {
        const ModelBlock& block = Pick();
        const auto* const address = static_cast<const char*>(block.address) +
                                    static_cast<ptrdiff_t>(random_.Below(300)) - 100;
        if (strata_owns(address) != (blocks_.Find(address) != nullptr ? 1 : 0)) {
            // Blocks of the other threads' models are not in this one.
            ASSERT_EQ(strata_heap_of(address), heaps_[0]);
            ASSERT_EQ(blocks_.Containing(address), nullptr);
        }
    }

    void ReplaceHeap() {
        const size_t index = 1 + random_.Below(heaps_.size() - 1);
        std::vector<void*> gone;
        for (const ModelBlock& block : blocks_.blocks()) {
            if (strata_heap_of(block.address) == heaps_[index]) gone.push_back(block.address);
        }
        for (void* block : gone) ASSERT_TRUE(blocks_.Remove(block));
        strata_heap_destroy(heaps_[index]);
        heaps_[index] = strata_heap_create();
        ASSERT_NE(heaps_[index], nullptr);
    }

    void CheckAll() {
        for (const ModelBlock& block : blocks_.blocks()) CheckOne(block);
        for (strata_heap* heap : heaps_) EXPECT_EQ(strata_heap_validate(heap), 1);
    }

    Random random_;
    std::vector<strata_heap*> heaps_;
    strata::test::IntervalMap blocks_;
    size_t steps_ = 0;
};

class ModelChecked : public testing::TestWithParam<uint64_t> {};

TEST_P(ModelChecked, OneThread) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam());
    Model model(GetParam());
    model.Run(10'000 * kEffort);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelChecked, testing::Values(1, 2, 3, 4, 5, 6));

TEST(ModelCheckedThreads, ManyThreads) {
    std::vector<std::thread> threads;
    for (uint64_t seed = 100; seed < 104; ++seed) {
        threads.emplace_back([=] {
            SCOPED_TRACE(testing::Message() << "seed " << seed);
            Model model(seed);
            model.Run(6'000 * kEffort);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST(ModelCheckedThreads, OneModelInTurnsByManyThreads) {
    // The same blocks and heaps, each stretch of steps in a new thread.
    SCOPED_TRACE("seed 200");
    Model model(200);
    for (size_t i = 0; i < 20; ++i) {
        std::thread([&] { model.Run(600 * kEffort); }).join();
    }
}

}  // namespace
